import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocationBitsOver,
  createAllocationBits,
  freezeAllocation,
  markStored,
  rankInOrder,
} from '../../src/image/allocation.ts';

const runs = { seed: 6, numRuns: 100 };

/** Stored blocks of a disk, around the borders of bytes (8), of index strides (512) and of two strides. */
const blockCount = fc.oneof(fc.nat(40), fc.constantFrom(511, 512, 513, 1024, 1025), fc.nat(3000));
const model = blockCount.chain((count) =>
  fc
    .tuple(
      fc.constantFrom(0, 0.02, 0.5, 0.98, 1),
      fc.infiniteStream(fc.double({ max: 1, min: 0, noNaN: true })),
    )
    .map(([density, chance]) => Array.from({ length: count }, () => chance.next().value < density)),
);

function allocationOf(stored: readonly boolean[]) {
  const bits = createAllocationBits(stored.length);
  stored.forEach((isStored, block) => {
    if (isStored) markStored(bits, block);
  });
  return freezeAllocation(bits);
}

describe('an allocation', () => {
  it('answers as a list would', () =>
    fc.assert(
      fc.property(model, (stored) => {
        const allocation = allocationOf(stored);
        const blocks = [...stored.keys()].filter((block) => stored[block]);
        expect(allocation.blockCount).toBe(stored.length);
        expect(allocation.storedCount).toBe(blocks.length);
        let rank = 0;
        for (const [block, isStored] of stored.entries()) {
          expect(allocation.has(block)).toBe(isStored);
          expect(allocation.rank(block)).toBe(rank);
          if (isStored) expect(allocation.select(rank)).toBe(block);
          rank += isStored ? 1 : 0;
        }
        expect(allocation.rank(stored.length)).toBe(blocks.length);
        expect(() => allocation.select(blocks.length)).toThrow(RangeError);
      }),
      runs,
    ));

  it('finds any block of a range', () =>
    fc.assert(
      fc.property(model, fc.nat(), fc.nat(), (stored, a, b) => {
        const [from, to] = [a % (stored.length + 1), b % (stored.length + 1)].sort((x, y) => x - y);
        const expected = stored.slice(from, to).includes(true);
        expect(allocationOf(stored).hasAny(from as number, to as number)).toBe(expected);
      }),
      runs,
    ));

  it('ranks in order as it does at random', () =>
    fc.assert(
      fc.property(model, fc.array(fc.tuple(fc.nat(), fc.nat(30))), (stored, jumps) => {
        const allocation = allocationOf(stored);
        const rankOf = rankInOrder(allocation);
        for (const [start, length] of jumps) {
          const first = start % (stored.length + 1);
          for (let block = first; block <= Math.min(first + length, stored.length); block++) {
            expect(rankOf(block)).toBe(allocation.rank(block));
          }
        }
      }),
      runs,
    ));

  it('grows in memory that threads share', () => {
    const mine = createAllocationBits(20);
    const theirs = allocationBitsOver(mine.bits.buffer, 20);
    markStored(mine, 3);
    markStored(theirs, 19);
    markStored(theirs, 3);
    const { storedCount, select } = freezeAllocation(mine);
    expect([storedCount, select(0), select(1)]).toEqual([2, 3, 19]);
  });
});
