/** Disks of more than a TiB with little in them: only what holds data is read, written and stored. */

import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, MiB, TiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert, type OutputFormat, openImage } from '../../src/index.ts';
import { holeFinder } from '../../src/io/file-holes.ts';
import { describeWith, qemuFormat, qemuImg } from '../support/native-tools.ts';
import { fillRandom, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

/** No multiple of any block, and no whole GiB. */
const SIZE = TiB + 1536;

const noise = (length: number, seed: number): Buffer => {
  const bytes = Buffer.alloc(length);
  fillRandom(bytes, seededRandom(seed));
  return bytes;
};

/** At the start, across the middle, near the end, and the last sector, which is all there is in the last block. */
const DATA = [
  { at: 0, bytes: noise(128 * KiB, 61) },
  { at: TiB / 2 - 1000, bytes: noise(100_000, 62) },
  { at: TiB - 64 * KiB, bytes: noise(64 * KiB, 63) },
  { at: TiB + 1024, bytes: noise(512, 64) },
];

const source = temp('huge.raw');

function makeSource(): void {
  const fd = openSync(source, 'w');
  ftruncateSync(fd, SIZE);
  for (const { at, bytes } of DATA) writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

/** The largest block of any format: data may be surrounded by as many zeros. */
const LARGEST_BLOCK = 2 * MiB;
/** Of a TiB: some blocks, and tables. Compressed or not, the largest is qcow2 with clusters of 2 MiB. */
const MAX_STORED = 32 * MiB;

async function requireSameData(path: string, format: OutputFormat['format']): Promise<void> {
  expect(statSync(path).blocks * 512).toBeLessThan(MAX_STORED);
  await using image = await openImage(path, { format });
  expect(image.details.originalSize ?? image.virtualSize).toBe(SIZE);
  for (const { at, bytes } of DATA) {
    const from = Math.max(0, at - 512);
    const expected = Buffer.alloc(Math.min(SIZE, at + bytes.length + 512) - from);
    bytes.copy(expected, at - from);
    const found = Buffer.alloc(expected.length, 0xff);
    await image.read(found, from);
    expect(found.equals(expected), `data at ${at}`).toBe(true);
  }
  for await (const extent of image.extents()) {
    if (extent.kind === 'zero') continue;
    const end = extent.guestOffset + extent.length;
    const isNearData = DATA.some(
      ({ at, bytes }) => extent.guestOffset > at - LARGEST_BLOCK && end < at + bytes.length + LARGEST_BLOCK,
    );
    expect(isNearData, `data in [${extent.guestOffset}, ${end})`).toBe(true);
  }
}

const outputs: readonly (readonly [name: string, output: OutputFormat])[] = [
  ['raw', { format: 'raw' }],
  ['vhd dynamic', { format: 'vhd' }],
  ['vhd fixed', { format: 'vhd', options: { subformat: 'fixed' } }],
  ['vhdx', { format: 'vhdx' }],
  ['vdi', { format: 'vdi' }],
  ['qcow2', { format: 'qcow2' }],
  ['qcow2 clusters of 2 MiB', { format: 'qcow2', options: { clusterSize: 2 * MiB } }],
  ['qcow2 zlib', { format: 'qcow2', options: { compress: true } }],
  ['qcow2 zstd', { format: 'qcow2', options: { compress: true, compressionType: 'zstd' } }],
  ['zvhd', { format: 'zvhd' }],
  ['zvhd2', { format: 'zvhd2' }],
];

const isVendor = ({ format }: OutputFormat): boolean => format === 'zvhd' || format === 'zvhd2';

/** Reading a TiB of zeros would take minutes: a sparse file needs koffi to say where its holes are. */
const canFindHoles = holeFinder() !== undefined;
const skip = !canFindHoles && !process.env.CI;
const reason = canFindHoles ? '' : ' (needs koffi: npm install)';

describe.skipIf(skip)(`a TiB with four pieces of data${reason}`, { timeout: 20_000 }, () => {
  beforeAll(() => {
    expect(canFindHoles, 'koffi is installed').toBe(true);
    makeSource();
  });

  describe.each(outputs)('%s', (name, output) => {
    const path = temp(name);
    beforeAll(async () => {
      await convert(source, path, { ...output, input: { format: 'raw' } } as ConvertOptions);
    });

    test('from raw', () => requireSameData(path, output.format));

    test.each(['raw', 'qcow2', 'vhd', 'zvhd2'] as const)('to %s', async (format) => {
      const again = temp(`${name} to ${format}`);
      const size = isVendor(output) ? 'original' : SIZE;
      await convert(path, again, { format, size, input: { format: output.format } });
      await requireSameData(again, format);
    });

    // qemu-img does not tell where a VHDX has nothing: it would compare a TiB of zeros.
    if (isVendor(output) || output.format === 'vhdx') return;
    describeWith(['qemu-img'], 'by qemu-img', () => {
      test('identical', async () => {
        const args = ['compare', '-f', 'raw', '-F', qemuFormat(output.format), source, path];
        expect(await qemuImg(args)).toContain('Images are identical.');
      });
    });
  });

  test('what VHD cannot hold is refused before anything is written', async () => {
    const attempt = convert(source, temp('too-large.vhd'), { format: 'vhd', size: 3 * TiB });
    await expect(attempt).rejects.toMatchObject({ code: 'bad-size', hint: expect.any(String) });
  });
});
