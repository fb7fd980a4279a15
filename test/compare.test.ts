/** compareImages(): the same disk is the same in every format, and a single bit is found wherever it is. */

import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { GiB, KiB, MiB } from '../src/binary/align.ts';
import { type CompareOptions, compareImages, convert } from '../src/index.ts';
import type { ByteSource } from '../src/io/source.ts';
import { variations } from './contracts/variations.ts';
import { diskOf, guestDisk } from './support/guest-disks.ts';
import { writeImage } from './support/memory-images.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const raw = { format: 'raw' } as const;
const asRaw: CompareOptions = { first: raw, second: raw };
const anyVariation = fc.constantFrom(...variations);

const flipped = (disk: Uint8Array, at: number, bit: number): Uint8Array =>
  disk.with(at, (disk[at] as number) ^ (1 << bit));

describe('compareImages', () => {
  it('says that one disk is the same in every pair of formats', async () => {
    const disk = diskOf(3 * MiB + 512, [
      { end: 100 * KiB + 7, kind: 'repeat', seed: 1 },
      { end: MiB + 3, kind: 'zero', seed: 0 },
      { end: MiB + 300 * KiB, kind: 'noise', seed: 2 },
      { end: 3 * MiB, kind: 'zero', seed: 0 },
      { end: 3 * MiB + 512, kind: 'noise', seed: 3 },
    ]).bytes;
    const images = await Promise.all(variations.map((variation) => writeImage(variation, disk)));
    for (const [i, a] of images.entries()) {
      for (const [k, b] of images.entries()) {
        if (k < i) continue;
        const first = { format: variations[i]?.format.name } as CompareOptions['first'] & {};
        const second = { format: variations[k]?.format.name } as CompareOptions['second'] & {};
        const report = await compareImages(a.bytes, b.bytes, { first, second });
        expect(report).toMatchObject({ identical: true, differences: { sectors: 0, ranges: 0 } });
      }
    }
  });

  it('finds a single bit, wherever it is, in any two formats', async () => {
    await fc.assert(
      fc.asyncProperty(
        guestDisk.filter(({ bytes }) => bytes.length <= 2 * MiB),
        anyVariation,
        anyVariation,
        fc.nat(),
        fc.nat(7),
        async ({ bytes: disk }, one, other, place, bit) => {
          const at = place % disk.length;
          const a = await writeImage(one, disk);
          const b = await writeImage(other, flipped(disk, at, bit));
          const report = await compareImages(a.bytes, b.bytes, {
            first: { format: one.format.name },
            second: { format: other.format.name },
          });
          expect(report).toMatchObject({
            identical: false,
            firstDifference: at,
            differences: { sectors: 1, ranges: 1 },
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('counts what differs as looking at every byte does', async () => {
    await fc.assert(
      fc.asyncProperty(guestDisk, guestDisk, async ({ bytes: one }, { bytes: other }) => {
        const report = await compareImages(one, other, asRaw);
        const expected = sectorsThatDiffer(one, other);
        const ranges = expected.filter((sector) => !expected.includes(sector - 1)).length;
        expect(report.identical).toBe(expected.length === 0);
        expect(report.differences).toEqual({ sectors: expected.length, ranges });
      }),
      { numRuns: 40 },
    );
  });

  it('takes the rest of a larger disk for the same when it is zeros, unless it is to be strict', async () => {
    const disk = diskOf(MiB + 5, [{ end: MiB, kind: 'noise', seed: 4 }]).bytes;
    const larger = new Uint8Array(3 * MiB);
    larger.set(disk);
    expect(await compareImages(disk, larger, asRaw)).toMatchObject({ identical: true, sameSize: false });
    const strict = await compareImages(disk, larger, { ...asRaw, strict: true });
    expect(strict).toMatchObject({ identical: false, sameSize: false });
    expect(strict).not.toHaveProperty('firstDifference');
    const report = await compareImages(larger.with(3 * MiB - 1, 1), disk, asRaw);
    expect(report).toMatchObject({ identical: false, firstDifference: 3 * MiB - 1 });
  });

  it('does not read what both call zero', async () => {
    const empty = (size: number): ByteSource => ({
      name: 'empty',
      size,
      read: async () => {
        throw new Error('it was read');
      },
      dataRanges: () => [],
      close: async () => {},
    });
    const report = await compareImages(empty(100 * GiB), empty(200 * GiB), asRaw);
    expect(report).toMatchObject({ identical: true, sameSize: false });
  });

  it('refuses more threads than can be', async () => {
    await expect(compareImages(new Uint8Array(1), new Uint8Array(1), { threads: 0 })).rejects.toMatchObject({
      name: 'OptionError',
      code: 'bad-option',
    });
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort();
    const refused = compareImages(new Uint8Array(1), new Uint8Array(1), { ...asRaw, signal });
    await expect(refused).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('says at which stage it failed, and on which image', async () => {
    const missing = compareImages(temp('none'), new Uint8Array(1), { second: raw });
    await expect(missing).rejects.toMatchObject({ name: 'CompareError', stage: 'open', code: 'not-found' });
    const unreadable: ByteSource = {
      name: 'the second',
      size: MiB,
      read: async () => {
        throw Object.assign(new Error('no'), {});
      },
      close: async () => {},
    };
    await expect(compareImages(new Uint8Array(MiB), unreadable, asRaw)).rejects.toThrow('no');
  });
});

function sectorsThatDiffer(one: Uint8Array, other: Uint8Array): number[] {
  const sectors: number[] = [];
  const size = Math.max(one.length, other.length);
  for (let at = 0; at < size; at++) {
    const sector = Math.floor(at / 512);
    if ((one[at] ?? 0) !== (other[at] ?? 0) && sectors.at(-1) !== sector) sectors.push(sector);
  }
  return sectors;
}

describe('compareImages on threads', () => {
  const SIZE = 40 * MiB + 1536;
  const disk = diskOf(SIZE, [
    { end: 9 * MiB + 1, kind: 'noise', seed: 1 },
    { end: 12 * MiB, kind: 'zero', seed: 0 },
    { end: 33 * MiB, kind: 'repeat', seed: 2 },
    { end: SIZE, kind: 'noise', seed: 3 },
  ]).bytes;
  const other = disk.slice();
  for (const at of [5 * MiB, 5 * MiB + 511, 11 * MiB, 20 * MiB - 1, 20 * MiB, SIZE - 1])
    other[at] = ~(other[at] as number);
  const expected = {
    identical: false,
    firstDifference: 5 * MiB,
    differences: { sectors: 5, ranges: 4 },
  };

  beforeAll(async () => {
    writeFileSync(temp('disk.raw'), disk);
    writeFileSync(temp('other.raw'), other);
    const options = { options: { compress: true }, format: 'qcow2' } as const;
    await convert(temp('other.raw'), temp('other.qcow2'), options);
    await convert(temp('disk.raw'), temp('disk.zvhd'), { format: 'zvhd' });
  });

  it.each([1, 2, 5])('reports the same on %i of them', async (threads) => {
    const report = await compareImages(temp('disk.raw'), temp('other.qcow2'), { threads });
    expect(report).toMatchObject({ ...expected, sameSize: true });
    const sequential = await compareImages(temp('other.qcow2'), temp('disk.zvhd'), { threads });
    expect(sequential).toMatchObject({ ...expected, sameSize: false });
  });

  it('stops at the first difference', async () => {
    const options = { threads: 3, stopAtFirst: true };
    const report = await compareImages(temp('disk.raw'), temp('other.qcow2'), options);
    expect(report).toMatchObject({ identical: false, firstDifference: 5 * MiB });
    expect(report).not.toHaveProperty('differences');
  });
});
