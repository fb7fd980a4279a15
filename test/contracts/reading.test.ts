/** What every written image says of its disk: the same bytes, whoever asks for which of them, and where they are. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignUp, GiB } from '../../src/binary/align.ts';
import { OptionError } from '../../src/errors.ts';
import { type Extent, guestEnd, mergeExtents } from '../../src/image/extent.ts';
import { openImage } from '../../src/open.ts';
import {
  difference,
  diskOf,
  type GuestDisk,
  guestDisk,
  guestDiskWithRanges,
  padded,
} from '../support/guest-disks.ts';
import { collected, readGuest, virtualSizeFor, writeImage } from '../support/memory-images.ts';
import { type Variation, variations } from './variations.ts';

const runs = { seed: 20_240_601, numRuns: 8 };

const written = async (variation: Variation, { bytes }: GuestDisk) =>
  openImage((await writeImage(variation, bytes)).bytes);

describe.each(variations)('$name', (variation) => {
  const { format } = variation;

  it('reads back as it was written', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        await using image = await written(variation, disk);
        const size = virtualSizeFor(variation, disk.bytes.length);
        expect(image.format).toBe(format.name);
        expect(image.virtualSize).toBeGreaterThanOrEqual(size);
        expect(difference(await readGuest(image, 0, size), padded(disk.bytes, size))).toBeUndefined();
      }),
      runs,
    ));

  it('has a disk of the size asked for, or of that size rounded up to a GiB and remembered', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        await using image = await written(variation, disk);
        const size = virtualSizeFor(variation, disk.bytes.length);
        if (image.virtualSize === size) return;
        expect(image.virtualSize).toBe(alignUp(size, GiB));
        expect(image.details.originalSize).toBe(size);
        const slack = await collected(image.extents(alignUp(size, image.unit)));
        expect(slack.map(({ kind }) => kind)).toEqual(['zero']);
      }),
      { ...runs, numRuns: 4 },
    ));

  it('gives any range, in any order, one after the other or all at once', () =>
    fc.assert(
      fc.asyncProperty(guestDiskWithRanges, async ([disk, ranges]) => {
        await using image = await written(variation, disk);
        const expectSlice = async (from: number, to: number) =>
          expect(difference(await readGuest(image, from, to), disk.bytes.subarray(from, to))).toBeUndefined();
        for (const { from, to } of ranges) await expectSlice(from, to);
        await Promise.all(ranges.map(({ from, to }) => expectSlice(from, to)));
      }),
      runs,
    ));

  it('tiles any range with extents: sorted, gapless, merged and clipped', () =>
    fc.assert(
      fc.asyncProperty(guestDiskWithRanges, async ([disk, ranges]) => {
        await using image = await written(variation, disk);
        expectTiled(await collected(image.extents()), 0, image.virtualSize);
        for (const { from, to } of ranges) {
          expectTiled(await collected(image.extents(from, to)), from, to);
        }
      }),
      runs,
    ));

  it('gives the same extents to all who ask at once', () =>
    fc.assert(
      fc.asyncProperty(guestDiskWithRanges, async ([disk, ranges]) => {
        const bytes = (await writeImage(variation, disk.bytes)).bytes;
        await using alone = await openImage(bytes);
        await using shared = await openImage(bytes);
        const expected = [];
        for (const { from, to } of ranges) expected.push(await collected(alone.extents(from, to)));
        const actual = ranges.map(({ from, to }) => collected(shared.extents(from, to)));
        const bystander = readGuest(shared, 0, disk.bytes.length);
        expect(await Promise.all(actual)).toEqual(expected);
        expect(difference(await bystander, disk.bytes)).toBeUndefined();
      }),
      { ...runs, numRuns: 5 },
    ));

  it('calls zero only what is zero, and points only into its file', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        await using image = await written(variation, disk);
        for await (const extent of image.extents()) {
          if (extent.kind === 'zero') {
            const said = disk.bytes.subarray(extent.guestOffset, guestEnd(extent));
            expect(difference(said, new Uint8Array(said.length))).toBeUndefined();
          } else {
            const length = extent.kind === 'packed' ? extent.storedLength : extent.length;
            expect(extent.fileOffset + length).toBeLessThanOrEqual(image.source.size);
          }
        }
      }),
      runs,
    ));

  it('refuses ranges that are not on the disk', async () => {
    await using image = await written(variation, diskOf(1000, [{ end: 1000, kind: 'noise', seed: 1 }]));
    const end = image.virtualSize;
    for (const [from, to] of [
      [end, end + 1],
      [-1, 0],
      [0.5, 1],
    ] as const) {
      const refusal = expect.objectContaining({ name: OptionError.name, code: 'bad-size' });
      await expect(collected(image.extents(from, to))).rejects.toEqual(refusal);
      await expect(image.read(new Uint8Array(1), from)).rejects.toEqual(refusal);
    }
  });

  it('holds an empty disk, or says that it cannot', async () => {
    const result = await writeImage(variation, new Uint8Array(0)).catch((error: unknown) => error);
    if (result instanceof Error) {
      expect(result).toMatchObject({ name: 'OptionError', code: 'bad-size', format: format.name });
      return;
    }
    await using image = await openImage((result as { bytes: Uint8Array }).bytes);
    expect(image).toMatchObject({ format: format.name, virtualSize: 0 });
    expect(await collected(image.extents())).toEqual([]);
  });
});

/** Packed blocks are always whole; everything else ends where it was asked to. */
function expectTiled(extents: readonly Extent[], from: number, to: number): void {
  if (from === to) {
    expect(extents).toEqual([]);
    return;
  }
  const [first, last] = [extents[0] as Extent, extents.at(-1) as Extent];
  expect(first.kind === 'packed' ? first.guestOffset <= from : first.guestOffset === from).toBe(true);
  expect(last.kind === 'packed' ? guestEnd(last) >= to : guestEnd(last) === to).toBe(true);
  for (const [i, extent] of extents.entries()) {
    expect(extent.length).toBeGreaterThan(0);
    expect(extent.guestOffset).toBeLessThan(to);
    expect(guestEnd(extent)).toBeGreaterThan(from);
    const before = extents[i - 1];
    if (before === undefined) continue;
    expect(extent.guestOffset).toBe(guestEnd(before));
    expect(mergeExtents(before, extent)).toBeUndefined();
  }
}
