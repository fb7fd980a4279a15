/** measure() tells the size of the file that convert() writes. */

import { statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { KiB, MiB, TiB } from '../src/binary/align.ts';
import { type ConvertOptions, convert, type MeasureOptions, measure } from '../src/index.ts';
import { isLayout, type Variation, variations } from './contracts/variations.ts';
import { fixtureBytes, fixtures } from './support/fixtures.ts';
import { diskOf, guestDisk, noise } from './support/guest-disks.ts';
import { writeImage } from './support/memory-images.ts';
import { describeWith, qemuImg } from './support/native-tools.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();

const runs = { seed: 20_240_605, numRuns: 5 };

const asked = ({ format, options }: Variation): MeasureOptions =>
  ({ format: format.name, options, input: { format: 'raw' } }) as MeasureOptions;

const sizeOfFull = async (variation: Variation, size: number): Promise<number> => {
  const { bytes } = await writeImage(variation, noise(size, 3));
  return bytes.length;
};

describe.each(variations)('the measure of $name', (variation) => {
  it('is, with a scan, the size of the file, or for compressed ones an upper bound', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        const measured = await measure(disk.bytes, { ...asked(variation), scan: true });
        if (isLayout(variation)) expect(measured).toMatchObject({ required: bytes.length, exact: true });
        else expect(measured.required).toBeGreaterThanOrEqual(bytes.length);
        if (measured.exact) expect(measured.required).toBe(bytes.length);
        expect(measured['fully-allocated']).toBeGreaterThanOrEqual(measured.required);
      }),
      runs,
    ));

  it('is an upper bound from metadata alone, or says that it is exact', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, async (disk) => {
        const { bytes } = await writeImage(variation, disk.bytes);
        const source = await writeImage({ format: variation.format, options: {} }, disk.bytes);
        for (const [input, format] of [
          [disk.bytes, 'raw'],
          [source.bytes, variation.format.name],
        ] as const) {
          const options = { ...asked(variation), input: { format }, size: disk.bytes.length };
          const measured = await measure(input, options as MeasureOptions);
          expect(measured.required).toBeGreaterThanOrEqual(bytes.length);
          if (measured.exact) expect(measured.required).toBe(bytes.length);
        }
      }),
      { ...runs, numRuns: 3 },
    ));

  it('of an empty disk is the size of its file', async () => {
    for (const size of [512, 64 * KiB, 5 * MiB + 1536]) {
      const { bytes } = await writeImage(variation, new Uint8Array(size));
      expect(await measure({ virtualSize: size }, asked(variation))).toMatchObject({
        required: bytes.length,
        exact: true,
      });
    }
  });

  it('of a full disk is the size of its file', async () => {
    const size = 5 * MiB + 1536;
    const { 'fully-allocated': full } = await measure({ virtualSize: size }, asked(variation));
    const written = await sizeOfFull(variation, size);
    if (isLayout(variation)) expect(full).toBe(written);
    else expect(full).toBeGreaterThanOrEqual(written);
  });

  it('follows the size that is asked for', async () => {
    const disk = diskOf(MiB, [{ end: 100 * KiB, kind: 'noise', seed: 1 }]).bytes;
    for (const size of [256 * KiB, 3 * MiB + 512]) {
      const options = { ...asked(variation), size, scan: true };
      const output = temp('sized');
      const { fileSize } = await convert(disk, output, options as ConvertOptions);
      expect(fileSize).toBe(statSync(output).size);
      const { required } = await measure(disk, options);
      if (isLayout(variation)) expect(required).toBe(fileSize);
      else expect(required).toBeGreaterThanOrEqual(fileSize);
    }
  });
});

describe('measured from the images of other tools', () => {
  const readable = fixtures.filter(
    ({ expect, virtualSize }) => expect === 'readable' && (virtualSize ?? TiB) <= 64 * MiB,
  );

  test.each(readable)('$file to uncompressed qcow2 and VHD', async (fixture) => {
    for (const format of ['qcow2', 'vhd'] as const) {
      const input = { format: fixture.format } as const;
      const { fileSize } = await convert(fixtureBytes(fixture), temp('out'), { format, input });
      const measured = await measure(fixtureBytes(fixture), { format, input, scan: true });
      expect(measured).toMatchObject({ required: fileSize, exact: true });
      const quick = await measure(fixtureBytes(fixture), { format, input });
      expect(quick.required).toBeGreaterThanOrEqual(fileSize);
    }
  });
});

describe('refused', () => {
  test('a disk that would be cut, when its data is scanned', async () => {
    const disk = new Uint8Array(MiB).fill(1);
    const options = { format: 'raw', input: { format: 'raw' }, size: 512 } as const;
    await expect(measure(disk, { ...options, scan: true })).rejects.toMatchObject({ code: 'data-past-size' });
  });

  test.each([-1, 0.5, Number.NaN])('a size of %s', async (virtualSize) => {
    await expect(measure({ virtualSize }, { format: 'raw' })).rejects.toMatchObject({ code: 'bad-size' });
  });

  test('a size that the format cannot hold', async () => {
    await expect(measure({ virtualSize: 3 * TiB }, { format: 'vhd' })).rejects.toMatchObject({
      code: 'bad-size',
    });
  });
});

describeWith(['qemu-img'], 'beside qemu-img', () => {
  test.each([
    ['raw', {}, ''],
    ['qcow2', {}, ''],
    ['qcow2', { clusterSize: 4096 }, 'cluster_size=4096'],
  ] as const)(
    '%s %o: as large for a full disk, give or take some tables',
    async (format, options, theirs) => {
      const args = ['-O', format, ...(theirs ? ['-o', theirs] : []), '--size', `${10 * 2 ** 30}`];
      const printed = JSON.parse(await qemuImg(['measure', '--output=json', ...args]));
      const ours = await measure({ virtualSize: 10 * 2 ** 30 }, { format, options } as MeasureOptions);
      expect(Object.keys(ours)).toEqual(expect.arrayContaining(Object.keys(printed)));
      const ratio = ours['fully-allocated'] / printed['fully-allocated'];
      expect(ratio).toBeGreaterThan(0.999);
      expect(ratio).toBeLessThan(1.001);
    },
  );
});
