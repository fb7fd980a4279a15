/** What every writer does: the same file however the work is divided, and any part of a laid out file on demand. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { freezeAllocation } from '../../src/image/allocation.ts';
import { type Layout, layOut } from '../../src/image/layout.ts';
import { layoutSource } from '../../src/image/layout-source.ts';
import { openImage } from '../../src/open.ts';
import { difference, guestDisk, rangeWithin } from '../support/guest-disks.ts';
import { rawImage, virtualSizeFor, writeImage, writerFor } from '../support/memory-images.ts';
import { isLayout, type Variation, variations } from './variations.ts';

const runs = { seed: 20_240_602, numRuns: 8 };

describe.each(variations)('$name', (variation) => {
  it('is the same file for any size of tasks and any number of performers', () =>
    fc.assert(
      fc.asyncProperty(
        guestDisk,
        fc.constantFrom(512, 4 * KiB, 64 * KiB, MiB, 2 * MiB),
        fc.integer({ min: 1, max: 4 }),
        async (disk, taskSize, performers) => {
          const usual = await writeImage(variation, disk.bytes);
          const other = await writeImage(variation, disk.bytes, { taskSize, performers });
          expect(difference(other.bytes, usual.bytes)).toBeUndefined();
        },
      ),
      runs,
    ));

  it('is the same file in memory for any step in which zeros are found', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, fc.constantFrom(0, 512, MiB), async (disk, sparseSize) => {
        const usual = await writeImage(variation, disk.bytes);
        const other = await writeImage(variation, disk.bytes, { sparseSize });
        expect(difference(other.bytes, usual.bytes)).toBeUndefined();
      }),
      { ...runs, numRuns: 4 },
    ));

  it('takes its identity from the content', async () => {
    const disk = new Uint8Array(100 * KiB).fill(1, 70 * KiB);
    const same = await writeImage(variation, disk.slice());
    const first = await writeImage(variation, disk);
    disk[90 * KiB] = 2;
    const changed = await writeImage(variation, disk);
    expect(same.identity).toEqual(first.identity);
    expect(changed.identity.uuid).not.toEqual(first.identity.uuid);
  });

  it('writes a disk that is read through itself to the same file', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const first = await writeImage(variation, disk.bytes);
        await using image = await openImage(first.bytes);
        const guest = new Uint8Array(disk.bytes.length);
        await image.read(guest, 0);
        const second = await writeImage(variation, guest);
        expect(difference(second.bytes, first.bytes)).toBeUndefined();
      }),
      { ...runs, numRuns: 4 },
    ));
});

const laidOut = async (variation: Variation, disk: Uint8Array) => {
  const { bytes, output, identity } = await writeImage(variation, disk);
  if (output.kind !== 'layout') throw new Error('not a layout');
  return { bytes, file: layOut(output.writer, freezeAllocation(output.stored), identity) };
};

/** Ranges of a file whose size is not known before it is written: they are cut to it. */
const range = rangeWithin(6 * MiB);

describe.each(variations.filter(isLayout))('the layout of $name', (variation) => {
  it('has pieces that tile any range of the file', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, fc.array(range, { maxLength: 6 }), async (disk, ranges) => {
        const { bytes, file } = await laidOut(variation, disk.bytes);
        expect(file.size).toBe(bytes.length);
        const tail = { from: file.dataEnd, to: file.size };
        for (const wanted of [...ranges, tail, { from: 0, to: file.size }]) {
          const to = Math.min(wanted.to, file.size);
          let at = Math.min(wanted.from, to);
          for (const { fileOffset, length } of file.pieces(at, to)) {
            expect(fileOffset).toBe(at);
            expect(length).toBeGreaterThan(0);
            at += length;
          }
          expect(at).toBe(to);
        }
      }),
      runs,
    ));

  it('gives the bytes of the written file, in ranges of any size and order', () =>
    fc.assert(
      fc.asyncProperty(
        guestDisk,
        fc.array(fc.integer({ min: 1, max: MiB }), { minLength: 1, maxLength: 5 }),
        fc.func(fc.nat()),
        async (disk, sizes, shuffle) => {
          const { bytes, file } = await laidOut(variation, disk.bytes);
          const source = layoutSource(file, await rawImage(disk.bytes), 'upload');
          const read = new Uint8Array(file.size).fill(0xa5);
          const parts: Uint8Array[] = [];
          for (let at = 0; at < read.length; ) {
            const part = read.subarray(at, at + Math.max(sizes[parts.length % sizes.length] as number, 4096));
            parts.push(part);
            at += part.length;
          }
          parts.sort((a, b) => shuffle(a.byteOffset) - shuffle(b.byteOffset));
          for (const part of parts) await source.read(part, part.byteOffset);
          expect(difference(read, bytes)).toBeUndefined();
        },
      ),
      runs,
    ));

  it('has its head up to where the data always begins, then only blocks, then its tail', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const { file } = await laidOut(variation, disk.bytes);
        const { dataStart } = writerFor(variation, virtualSizeFor(variation, disk.bytes.length)) as Layout;
        const kinds = (from: number, to: number) =>
          new Set([...file.pieces(from, to)].map(({ kind }) => kind));
        expect(kinds(0, dataStart)).toEqual(new Set(dataStart > 0 ? ['bytes'] : []));
        expect(kinds(file.dataEnd, file.size)).toEqual(new Set(file.size > file.dataEnd ? ['bytes'] : []));
        const first = file.pieces(dataStart, file.dataEnd).next().value;
        expect(first?.fileOffset ?? file.dataEnd).toBe(dataStart);
      }),
      { ...runs, numRuns: 3 },
    ));
});

const inPlace = variations.filter((variation) => {
  const writer = writerFor(variation, MiB);
  return writer.kind === 'layout' && writer.placement === 'in-place';
});

describe.each(inPlace)('$name, whose bytes stand in place', (variation) => {
  it('is the same file for any order of tasks', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, fc.func(fc.nat()), async (disk, shuffle) => {
        const usual = await writeImage(variation, disk.bytes);
        const other = await writeImage(variation, disk.bytes, {
          taskSize: 64 * KiB,
          performers: 3,
          order: (tasks) => tasks.toSorted((a, b) => shuffle(a.index) - shuffle(b.index)),
        });
        expect(difference(other.bytes, usual.bytes)).toBeUndefined();
      }),
      runs,
    ));
});
