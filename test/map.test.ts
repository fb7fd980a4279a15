/** The map of a disk: it tiles the disk, tells the data where it is, and is what `qemu-img map` says. */

import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { KiB, MiB } from '../src/binary/align.ts';
import { type MapEntry, mapImage, openImage } from '../src/index.ts';
import { holeFinder } from '../src/io/file-holes.ts';
import { variations } from './contracts/variations.ts';
import { type Fixture, fixtureBytes, fixturePath, fixtures } from './support/fixtures.ts';
import { guestDisk, rangeWithin } from './support/guest-disks.ts';
import { collected, writeImage } from './support/memory-images.ts';
import { describeWith, qemuFormat, qemuImg } from './support/native-tools.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();

const runs = { seed: 20_240_604, numRuns: 5 };

const endOf = ({ start, length }: MapEntry): number => start + length;

describe.each(variations)('the map of $name', (variation) => {
  it('tiles the disk, and no two neighbours say the same', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        await using image = await openImage(bytes, { format: variation.format.name });
        const entries = await collected(mapImage(image));
        let at = 0;
        for (const [i, entry] of entries.entries()) {
          expect(entry.start).toBe(at);
          expect(entry.length).toBeGreaterThan(0);
          expect(entry.data).toBe(!entry.zero);
          at = endOf(entry);
          const next = entries[i + 1];
          if (next) expect(status(entry, at)).not.toEqual(status(next, next.start));
        }
        expect(at).toBe(image.virtualSize);
      }),
      runs,
    ));

  it('tells where the bytes are, and where there are none', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        await using image = await openImage(bytes, { format: variation.format.name });
        for await (const { start, length, zero, data, offset } of mapImage(image)) {
          const guest = disk.bytes.subarray(start, start + length);
          if (zero) expect(guest.every((byte) => byte === 0)).toBe(true);
          if (!data || offset === undefined) continue;
          expect(Buffer.compare(bytes.subarray(offset, offset + guest.length), guest)).toBe(0);
        }
      }),
      { ...runs, numRuns: 3 },
    ));

  it('of a range is the map of the disk, cut', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, rangeWithin(5 * MiB), async (disk, range) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        await using image = await openImage(bytes, { format: variation.format.name });
        const start = Math.min(range.from, image.virtualSize);
        const length = range.to - range.from;
        const part = await collected(mapImage(image, { start, length }));
        const whole = await collected(mapImage(image));
        expect(part).toEqual(clip(whole, start, start + length));
      }),
      runs,
    ));
});

/** What an entry says, with the place of `at` in the file. */
const status = ({ start, depth, present, zero, compressed, offset }: MapEntry, at: number) => ({
  depth,
  present,
  zero,
  compressed,
  offset: offset === undefined ? undefined : offset + at - start,
});

/** The parts of entries within [from, to). */
function clip<T extends Theirs>(entries: readonly T[], from: number, to: number): T[] {
  return entries.flatMap((entry) => {
    const start = Math.max(entry.start, from);
    const length = Math.min(entry.start + entry.length, to) - start;
    if (length <= 0) return [];
    const { offset } = entry;
    return [
      { ...entry, start, length, ...(offset !== undefined && { offset: offset + start - entry.start }) },
    ];
  });
}

/** What qemu-img prints; from version 8.2 on with `compressed`. */
type Theirs = Omit<MapEntry, 'compressed'>;

/** Merged where zero, data, depth and offset say the same; the place of zeros is left out, for it says nothing. */
function merged(entries: readonly Theirs[]): Theirs[] {
  const list: Theirs[] = [];
  for (const { start, length, depth, present, zero, data, offset } of entries) {
    const place = data && offset !== undefined ? { offset } : {};
    const entry = { start, length, depth, present, zero, data, ...place };
    const last = list.at(-1);
    const follows = last && (last.offset === undefined ? undefined : last.offset + last.length);
    const isSame =
      last &&
      (['depth', 'present', 'zero', 'data'] as const).every((key) => last[key] === entry[key]) &&
      follows === entry.offset;
    if (isSame) list[list.length - 1] = { ...last, length: last.length + length };
    else list.push(entry);
  }
  return list;
}

/** qemu-img reads the footer at the start alone. */
const isRefusedByQemu = (file: string): boolean => /damaged-first/.test(file);

const theirMap = async (format: string, path: string): Promise<Theirs[]> =>
  JSON.parse(await qemuImg(['map', '-f', qemuFormat(format), '--output=json', path]));

describeWith(['qemu-img'], 'as qemu-img says', () => {
  // Of a VHDX it tells nothing: all is data, nowhere.
  const mapped = ['raw', 'qcow2', 'vhd', 'vdi', 'vmdk', 'qcow', 'qed'];
  const common = fixtures.filter(
    ({ file, expect, format }) => expect === 'readable' && mapped.includes(format) && !isRefusedByQemu(file),
  );

  test.each(common)('$file', async (fixture) => {
    const path = unpacked(fixture);
    await using image = await openImage(path, { format: fixture.format });
    const size = Math.min(image.virtualSize, fixture.asQemuSees?.virtualSize ?? image.virtualSize);
    const ours = await collected(mapImage(image, { length: size }));
    const theirs = await theirMap(fixture.format, path);
    expect(merged(ours)).toEqual(merged(clip(theirs, 0, size)));
  });

  const chains = fixtures.filter(({ file }) => /^qcow2\/backing(-v2|-extended-l2)?\.qcow2/.test(file));

  test.each(chains)('$file, with its backing file', async (fixture) => {
    for (const name of ['base.qcow2', 'v2-base.raw', 'extended-l2-base.raw']) {
      const packed = readFileSync(fixturePath(`qcow2/backing-${name}.gz`));
      writeFileSync(temp(`backing-${name}`), gunzipSync(packed));
    }
    const path = unpacked(fixture);
    await using image = await openImage(path, { allowPaths: [temp('.')] });
    expect(merged(await collected(mapImage(image)))).toEqual(merged(await theirMap('qcow2', path)));
  });

  const unpacked = (fixture: Fixture): string => {
    const path = temp((fixture.file.split('/')[1] as string).replace(/\.gz$/, ''));
    writeFileSync(path, fixtureBytes(fixture));
    return path;
  };

  test.skipIf(holeFinder() === undefined)('a sparse raw file, whose holes have places', async () => {
    const path = temp('sparse.raw');
    const fd = openSync(path, 'w');
    ftruncateSync(fd, 4 * MiB);
    writeSync(fd, new Uint8Array(64 * KiB).fill(7), 0, 64 * KiB, MiB);
    closeSync(fd);
    await using image = await openImage(path);
    const ours = await collected(mapImage(image));
    expect(ours.map(({ compressed: _, ...entry }) => entry)).toEqual(await theirMap('raw', path));
  });
});

test('a start that is not on the disk is refused', async () => {
  await using image = await openImage(new Uint8Array(1024), { format: 'raw' });
  for (const range of [{ start: 1025 }, { start: -1 }, { length: 0.5 }]) {
    await expect(collected(mapImage(image, range))).rejects.toMatchObject({ code: 'bad-size' });
  }
});
