import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { planShape, planTasks, type Task, taskEnd } from '../../src/conversion/plan.ts';
import type { Extent } from '../../src/image/extent.ts';
import { collected } from '../support/memory-images.ts';

async function* streamOf(extents: Iterable<Extent>): AsyncGenerator<Extent> {
  yield* extents;
}

const data = (from: number, to: number): Extent => ({
  kind: 'data',
  guestOffset: from,
  length: to - from,
  fileOffset: from,
});
const zero = (from: number, to: number): Extent => ({ kind: 'zero', guestOffset: from, length: to - from });
const packed = (from: number, to: number): Extent => ({
  kind: 'packed',
  guestOffset: from,
  length: to - from,
  fileOffset: 0,
  storedLength: 1,
  unpackedLength: to - from,
  codec: 'zstd',
});

const plan = (extents: readonly Extent[], alignment = 10, taskSize = 40): Promise<Task[]> =>
  collected(planTasks(streamOf(extents), { alignment, taskSize }));

describe('a plan', () => {
  it('of nothing, or of zeros, is empty', async () => {
    expect(await plan([])).toEqual([]);
    expect(await plan([zero(0, 1000)])).toEqual([]);
  });

  it('cuts data into tasks of one size, and a rest', async () => {
    expect(await plan([data(0, 100)])).toEqual([
      { index: 0, ranges: [{ from: 0, to: 40 }] },
      { index: 1, ranges: [{ from: 40, to: 80 }] },
      { index: 2, ranges: [{ from: 80, to: 100 }] },
    ]);
  });

  it('widens ranges to its alignment, past the end of the disk too', async () => {
    expect(await plan([zero(0, 12), data(12, 17)])).toEqual([{ index: 0, ranges: [{ from: 10, to: 20 }] }]);
  });

  it('leaves out zeros, but not those within a unit', async () => {
    expect(await plan([data(0, 5), zero(5, 8), data(8, 12), zero(12, 35), data(35, 36)])).toEqual([
      {
        index: 0,
        ranges: [
          { from: 0, to: 20 },
          { from: 30, to: 40 },
        ],
      },
    ]);
  });

  it('fills a task with ranges from here and there', async () => {
    expect(
      await plan([data(0, 10), zero(10, 100), data(100, 150), zero(150, 200), packed(200, 210)]),
    ).toEqual([
      {
        index: 0,
        ranges: [
          { from: 0, to: 10 },
          { from: 100, to: 130 },
        ],
      },
      {
        index: 1,
        ranges: [
          { from: 130, to: 150 },
          { from: 200, to: 210 },
        ],
      },
    ]);
  });

  it('joins neighbours of different kinds', async () => {
    expect(await plan([data(0, 10), packed(10, 20), data(20, 30)])).toEqual([
      { index: 0, ranges: [{ from: 0, to: 30 }] },
    ]);
  });

  it('ends where its last range does', () => {
    expect(
      taskEnd({
        index: 0,
        ranges: [
          { from: 0, to: 10 },
          { from: 30, to: 40 },
        ],
      }),
    ).toBe(40);
  });

  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { maxLength: 12 });
  const alignments = fc.constantFrom(1, 2, 8, 32);

  it('covers all data exactly once, in order, in tasks of one size', () =>
    fc.assert(
      fc.asyncProperty(cuts, alignments, fc.constantFrom(1, 3, 8), async (ends, alignment, unitsPerTask) => {
        const sorted = ends.toSorted((a, b) => a - b);
        const extents = sorted.map((end, i) => (i % 2 === 0 ? zero : data)(sorted[i - 1] ?? 0, end));
        const taskSize = alignment * unitsPerTask;
        const tasks = await plan(extents, alignment, taskSize);
        expect(tasks.map(({ index }) => index)).toEqual([...tasks.keys()]);
        const sizes = tasks.map(({ ranges }) => ranges.reduce((sum, { from, to }) => sum + to - from, 0));
        expect(sizes.slice(0, -1).every((size) => size === taskSize)).toBe(true);
        expect(sizes.every((size) => size > 0 && size <= taskSize)).toBe(true);
        const units = tasks.flatMap(({ ranges }) =>
          ranges.flatMap(({ from, to }) =>
            Array.from({ length: (to - from) / alignment }, (_, i) => from / alignment + i),
          ),
        );
        const expected = extents
          .filter(({ kind }) => kind === 'data')
          .flatMap(({ guestOffset, length }) =>
            Array.from({ length }, (_, i) => Math.floor((guestOffset + i) / alignment)),
          );
        expect(units).toEqual([...new Set(expected)]);
      }),
      { seed: 12, numRuns: 200 },
    ));
});

describe('the shape of a plan', () => {
  it.each([
    ['raw to raw', 1, 64 * KiB, { alignment: 64 * KiB, taskSize: 4 * MiB }],
    ['qcow2 to vhd', 64 * KiB, 2 * MiB, { alignment: 2 * MiB, taskSize: 4 * MiB }],
    ['zvhd2 to qcow2', 2 * MiB, 64 * KiB, { alignment: 2 * MiB, taskSize: 4 * MiB }],
    ['raw to qcow2 of small clusters', 1, 512, { alignment: 512, taskSize: 4 * MiB }],
    ['blocks larger than a task', 32 * MiB, 512, { alignment: 32 * MiB, taskSize: 32 * MiB }],
    [
      'a vhd of huge blocks, which need not be read whole',
      256 * MiB,
      2 * MiB,
      { alignment: 32 * MiB, taskSize: 32 * MiB },
    ],
  ])('%s', (_, sourceUnit, targetUnit, shape) => {
    expect(planShape(sourceUnit, targetUnit)).toEqual(shape);
  });
});
