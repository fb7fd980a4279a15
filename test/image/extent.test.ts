import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clipExtent,
  type Extent,
  flatExtents,
  guestEnd,
  mergedExtents,
  mergeNeighbours,
} from '../../src/image/extent.ts';
import type { ByteSource } from '../../src/io/source.ts';
import { collected } from '../support/memory-images.ts';

const runs = { seed: 8, numRuns: 200 };

/** One byte of a disk each: zero, or data at some offset of the file. */
const cells = fc.array(fc.option(fc.nat(30)), { maxLength: 30 });

const extentOf = (cell: number | null, guestOffset: number): Extent =>
  cell === null
    ? { kind: 'zero', guestOffset, length: 1 }
    : { kind: 'data', guestOffset, length: 1, fileOffset: cell };

const cellsOf = (extents: readonly Extent[]) =>
  extents.flatMap((extent) =>
    Array.from({ length: extent.length }, (_, i) => (extent.kind === 'data' ? extent.fileOffset + i : null)),
  );

async function* streamOf(extents: Iterable<Extent>): AsyncGenerator<Extent> {
  yield* extents;
}

describe('merging', () => {
  it('changes nothing that is said, says it the shortest way, and does so for lists and streams', () =>
    fc.assert(
      fc.asyncProperty(cells, async (disk) => {
        const single = disk.map(extentOf);
        const merged = [...mergeNeighbours(single)];
        expect(cellsOf(merged)).toEqual(disk);
        expect([...mergeNeighbours(merged)]).toEqual(merged);
        expect(await collected(mergedExtents(streamOf(single)))).toEqual(merged);
        const borders = disk.filter((cell, i) => {
          const before = disk[i - 1];
          if (i === 0) return true;
          return cell === null ? before !== null : before !== cell - 1;
        });
        expect(merged).toHaveLength(borders.length);
      }),
      runs,
    ));

  it('leaves compressed blocks on their own', () => {
    const block = { kind: 'packed', length: 8, storedLength: 4, unpackedLength: 8, codec: 'zstd' } as const;
    const two: Extent[] = [
      { ...block, guestOffset: 0, fileOffset: 0 },
      { ...block, guestOffset: 8, fileOffset: 4 },
    ];
    expect([...mergeNeighbours(two)]).toEqual(two);
    expect(clipExtent(two[0] as Extent, 3, 5)).toBe(two[0]);
  });
});

describe('clipping', () => {
  it('keeps what lies within the range', () =>
    fc.assert(
      fc.property(cells, fc.nat(30), fc.nat(30), (disk, a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const inRange = [...mergeNeighbours(disk.map(extentOf))].filter(
          (extent) => extent.guestOffset < to && guestEnd(extent) > from,
        );
        const clipped = inRange.map((extent) => clipExtent(extent, from, to));
        expect(cellsOf(clipped)).toEqual(disk.slice(from, to));
      }),
      runs,
    ));
});

describe('flat extents', () => {
  const sourceWith = (dataRanges?: ByteSource['dataRanges']): ByteSource => ({
    name: 'flat',
    size: 100,
    read: async () => {},
    close: async () => {},
    ...(dataRanges && { dataRanges }),
  });

  it('are all data where nobody knows of holes', () => {
    expect([...flatExtents(sourceWith(), 10, 60)]).toEqual([
      { kind: 'data', guestOffset: 10, length: 50, fileOffset: 10 },
    ]);
    expect([...flatExtents(sourceWith(), 10, 10)]).toEqual([]);
  });

  it('are zero between the ranges of data', () => {
    const ranges = [
      { start: 10, end: 20 },
      { start: 30, end: 50 },
    ];
    expect([
      ...flatExtents(
        sourceWith(() => ranges),
        0,
        100,
      ),
    ]).toEqual([
      { kind: 'zero', guestOffset: 0, length: 10 },
      { kind: 'data', guestOffset: 10, length: 10, fileOffset: 10 },
      { kind: 'zero', guestOffset: 20, length: 10 },
      { kind: 'data', guestOffset: 30, length: 20, fileOffset: 30 },
      { kind: 'zero', guestOffset: 50, length: 50 },
    ]);
    expect([
      ...flatExtents(
        sourceWith(() => []),
        0,
        100,
      ),
    ]).toEqual([{ kind: 'zero', guestOffset: 0, length: 100 }]);
  });
});
