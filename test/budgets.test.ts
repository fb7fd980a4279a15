/** Limits against images that claim more than they are worth, each with the flag that raises it; and --verify. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GiB, KiB, MiB, TiB } from '../src/binary/align.ts';
import { BudgetError, convert, digestImage, type ImageError, openImage } from '../src/index.ts';
import { sameDigest } from '../src/verify.ts';
import { fillRandom, seededRandom } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();

const failure = (promise: Promise<unknown>): Promise<ImageError> =>
  promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error) => error,
  );

/** A qcow2 of 64 KiB clusters all of whose entries say one cluster: `size` bytes of guest data in a few clusters. */
async function bomb(size: number): Promise<Buffer> {
  const small = temp('small.raw');
  const block = Buffer.alloc(64 * KiB);
  fillRandom(block.subarray(0, 4 * KiB), seededRandom(1));
  writeFileSync(small, block);
  await convert(small, temp('small.qcow2'), { format: 'qcow2', options: { compress: true } });
  const image = readFileSync(temp('small.qcow2'));
  const l1 = Number(image.readBigUInt64BE(40));
  const l2 = Number(image.readBigUInt64BE(l1) & 0x00ffffffffffff00n);
  const [cluster, table] = [image.readBigUInt64BE(l2), image.readBigUInt64BE(l1)];
  for (let entry = 0; entry < 8192; entry++) image.writeBigUInt64BE(cluster, l2 + entry * 8);
  const entries = Math.ceil(size / (512 * MiB));
  for (let entry = 0; entry < entries; entry++) image.writeBigUInt64BE(table, l1 + entry * 8);
  image.writeBigUInt64BE(BigInt(size), 24);
  image.writeUInt32BE(entries, 36);
  return image;
}

describe('limits', () => {
  test('a few hundred KB that claim terabytes are refused soon, and leave nothing', async () => {
    const image = await bomb(4 * TiB);
    expect(image.length).toBeLessThan(512 * KiB);
    const error = await failure(convert(image, temp('bomb.raw'), { format: 'raw' }));
    expect(error).toBeInstanceOf(BudgetError);
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--max-expansion') });
    expect(existsSync(temp('bomb.raw'))).toBe(false);
  });

  test('the same is read when it is allowed', async () => {
    const image = await bomb(3 * GiB);
    const input = temp('allowed.qcow2');
    writeFileSync(input, image);
    const report = await convert(input, temp('allowed.zvhd2'), {
      format: 'zvhd2',
      maxExpansion: 1e6,
      flush: false,
    });
    expect(report.virtualSize).toBe(3 * GiB);
  });

  test('a disk of petabytes', async () => {
    const image = await bomb(GiB);
    image.writeBigUInt64BE(2n ** 52n, 24);
    const before = process.memoryUsage().arrayBuffers;
    const start = performance.now();
    const error = await failure(openImage(image));
    expect(performance.now() - start).toBeLessThan(1000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * MiB);
    expect(['over-budget', 'bad-table']).toContain(error.code);
  });

  test('a virtual size, with the flag that raises it', async () => {
    const image = await bomb(GiB);
    const error = await failure(openImage(image, { maxVirtualSize: 512 * MiB }));
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--max-virtual-size') });
    await using opened = await openImage(image, { maxVirtualSize: GiB });
    expect(opened.virtualSize).toBe(GiB);
  });

  test('memory for tables', async () => {
    const image = await bomb(64 * GiB);
    const error = await failure(openImage(image, { maxMetadataBytes: 512 }));
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--max-metadata') });
  });

  test('bytes of the output', async () => {
    const input = temp('noise.raw');
    const noise = Buffer.alloc(32 * MiB);
    fillRandom(noise, seededRandom(5));
    writeFileSync(input, noise);
    const error = await failure(
      convert(input, temp('large.qcow2'), { format: 'qcow2', maxOutputBytes: 16 * MiB }),
    );
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--max-output') });
    expect(existsSync(temp('large.qcow2'))).toBe(false);
  });

  test('time', async () => {
    const input = temp('slow.raw');
    const noise = Buffer.alloc(64 * MiB);
    fillRandom(noise, seededRandom(6));
    writeFileSync(input, noise);
    const error = await failure(
      convert(input, temp('slow.qcow2'), {
        format: 'qcow2',
        options: { compress: true, compressionLevel: 9 },
        threads: 1,
        timeoutSeconds: 0.2,
      }),
    );
    expect(error).toMatchObject({ code: 'over-budget', hint: expect.stringContaining('--timeout') });
    expect(existsSync(temp('slow.qcow2'))).toBe(false);
  });
});

describe('verify', () => {
  const input = temp('verified.raw');
  const guest = Buffer.alloc(40 * MiB + 512);
  fillRandom(guest.subarray(3 * MiB, 30 * MiB), seededRandom(7));
  writeFileSync(input, guest);

  test.each(['raw', 'vhd', 'vhdx', 'qcow2', 'vdi', 'vmdk', 'zvhd', 'zvhd2'] as const)(
    '%s: the digest of both',
    async (format) => {
      const { digest } = await convert(input, temp(`output.${format}`), { format, verify: true });
      expect(digest).toBe((await digestImage(input)).digest);
    },
  );

  test('of a disk that grows, at its new size', async () => {
    const size = 64 * MiB;
    const { digest } = await convert(input, temp('grown.qcow2'), { format: 'qcow2', size, verify: true });
    expect(digest).toBe((await digestImage(temp('grown.qcow2'))).digest);
  });

  test('tells a single changed byte', async () => {
    const path = temp('changed.raw');
    const changed = Buffer.from(guest);
    changed[20 * MiB] = (changed[20 * MiB] as number) ^ 1;
    writeFileSync(path, changed);
    await using image = await openImage(input);
    const comparing = sameDigest(image, { path, format: 'raw' }, guest.length, {});
    expect(await failure(comparing)).toMatchObject({ code: 'verify-failed' });
  });

  test('is refused where there is nothing to compare with', async () => {
    const salvaging = convert(input, temp('none.raw'), {
      format: 'raw',
      verify: true,
      input: { format: 'raw', salvage: true },
    });
    expect(await failure(salvaging)).toMatchObject({ code: 'bad-option' });
  });
});
