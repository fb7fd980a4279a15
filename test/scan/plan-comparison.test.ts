import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignUp } from '../../src/binary/align.ts';
import type { Extent } from '../../src/image/extent.ts';
import { type CompareTask, planComparison } from '../../src/scan/plan-comparison.ts';
import { collected } from '../support/memory-images.ts';

const SIZE = 4000;

/** A disk of `size` bytes as runs that may hold data or are zero, in turn. */
interface Disk {
  readonly size: number;
  readonly ends: readonly number[];
}

const disk: fc.Arbitrary<Disk> = fc
  .nat(SIZE)
  .chain((size) =>
    fc
      .uniqueArray(fc.nat(size), { maxLength: 12 })
      .map((ends) => ({ size, ends: [...ends.toSorted((a, b) => a - b), size] })),
  );

async function* extentsOf({ ends }: Disk): AsyncGenerator<Extent> {
  let guestOffset = 0;
  for (const [i, end] of ends.entries()) {
    const length = end - guestOffset;
    if (length === 0) continue;
    yield i % 2 === 0
      ? { kind: 'data', guestOffset, length, fileOffset: guestOffset }
      : { kind: 'zero', guestOffset, length };
    guestOffset = end;
  }
}

/** Which blocks of the grid may hold data. */
async function dataBlocks(disk: Disk, alignment: number): Promise<Set<number>> {
  const blocks = new Set<number>();
  for await (const { kind, guestOffset, length } of extentsOf(disk)) {
    if (kind === 'zero') continue;
    for (let at = guestOffset; at < guestOffset + length; at++) blocks.add(Math.floor(at / alignment));
  }
  return blocks;
}

const plan = (first: Disk, second: Disk, alignment: number, taskSize: number): Promise<CompareTask[]> =>
  collected(
    planComparison(
      extentsOf(first),
      extentsOf(second),
      { alignment, taskSize },
      Math.max(first.size, second.size),
    ),
  );

describe('the plan of a comparison', () => {
  it('covers what may hold data in either disk, once and in order, and says in which', async () => {
    await fc.assert(
      fc.asyncProperty(
        disk,
        disk,
        fc.constantFrom(1, 8, 64, 512),
        fc.integer({ min: 1, max: 4 }),
        async (first, second, alignment, blocksInTask) => {
          const taskSize = alignment * blocksInTask;
          const size = Math.max(first.size, second.size);
          const tasks = await plan(first, second, alignment, taskSize);
          expect(tasks.map(({ index }) => index)).toEqual(tasks.map((_, i) => i));
          const [inFirst, inSecond] = [
            await dataBlocks(first, alignment),
            await dataBlocks(second, alignment),
          ];
          const covered = new Set<number>();
          let done = 0;
          for (const { ranges } of tasks) {
            const length = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
            expect(length).toBeLessThanOrEqual(taskSize);
            for (const range of ranges) {
              expect(range.from).toBeGreaterThanOrEqual(done);
              expect(range.from).toBeLessThan(range.to);
              expect(range.from % alignment).toBe(0);
              done = range.to;
              for (
                let block = range.from / alignment;
                block < alignUp(range.to, alignment) / alignment;
                block++
              ) {
                covered.add(block);
                expect([range.inFirst, range.inSecond]).toEqual([inFirst.has(block), inSecond.has(block)]);
              }
            }
          }
          expect(done).toBeLessThanOrEqual(size);
          expect(covered).toEqual(new Set([...inFirst, ...inSecond]));
        },
      ),
    );
  });

  it('does not look at all extents before its first task', async () => {
    let looked = 0;
    async function* packed(): AsyncGenerator<Extent> {
      for (; looked < 1000; looked++) {
        const at = { guestOffset: looked * 64, length: 64, fileOffset: looked * 100 };
        yield { ...at, kind: 'packed', storedLength: 9, unpackedLength: 64, codec: 'zstd' };
      }
    }
    const tasks = planComparison(packed(), packed(), { alignment: 64, taskSize: 256 }, 64_000);
    expect((await tasks.next()).value).toMatchObject({ index: 0, ranges: [{ from: 0, to: 256 }] });
    expect(looked).toBeLessThan(20);
    await tasks.return(undefined);
  });
});
