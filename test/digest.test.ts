/** digestImage(): the digest of a disk, the same in every format and on any number of threads. */

import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { KiB, MiB, TiB } from '../src/binary/align.ts';
import { convert, type DigestOptions, digestImage, type FormatName } from '../src/index.ts';
import type { ByteSource } from '../src/io/source.ts';
import { variations } from './contracts/variations.ts';
import { diskOf, guestDisk } from './support/guest-disks.ts';
import { writeImage } from './support/memory-images.ts';
import { sha256 } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const raw = { format: 'raw' } as const;
const algorithms = ['diskimg', 'sha256'] as const;

const digestOf = async (input: string | Uint8Array, options: DigestOptions = {}): Promise<string> =>
  (await digestImage(input, options)).digest;

const ofRaw = (disk: Uint8Array, options: DigestOptions = {}) => digestOf(disk, { input: raw, ...options });

describe.each(algorithms)('digestImage with %s', (algorithm) => {
  it('is the same for one disk in every format', async () => {
    await fc.assert(
      fc.asyncProperty(guestDisk, fc.constantFrom(...variations), async ({ bytes }, variation) => {
        const image = await writeImage(variation, bytes);
        const input = { format: variation.format.name } as { format: FormatName };
        const options = { algorithm, input, size: bytes.length } as DigestOptions;
        expect(await digestOf(image.bytes, options)).toBe(await ofRaw(bytes, { algorithm }));
      }),
      { numRuns: algorithm === 'diskimg' ? 60 : 30 },
    );
  });

  it('is another for another disk, or another size', async () => {
    const disk = diskOf(3 * MiB + 5, [{ end: 2 * MiB, kind: 'noise', seed: 1 }]).bytes;
    const others = [
      disk.with(0, ~(disk[0] as number)),
      disk.with(disk.length - 1, 1),
      disk.subarray(0, -1),
      new Uint8Array(disk.length),
      new Uint8Array(0),
    ];
    const digests = await Promise.all([disk, ...others].map((bytes) => ofRaw(bytes, { algorithm })));
    expect(new Set(digests)).toHaveLength(digests.length);
  });

  it('of a larger size is that of a disk with zeros behind', async () => {
    const disk = diskOf(MiB + 5, [{ end: MiB + 5, kind: 'noise', seed: 1 }]).bytes;
    const larger = new Uint8Array(3 * MiB + 1);
    larger.set(disk);
    expect(await ofRaw(disk, { algorithm, size: larger.length })).toBe(await ofRaw(larger, { algorithm }));
    expect(await ofRaw(larger, { algorithm, size: disk.length })).toBe(await ofRaw(disk, { algorithm }));
    await expect(ofRaw(larger, { algorithm, size: MiB })).rejects.toMatchObject({ code: 'data-past-size' });
  });

  it('stops when it is told to', async () => {
    const refused = ofRaw(new Uint8Array(1), { algorithm, signal: AbortSignal.abort() });
    await expect(refused).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('digestImage on threads', () => {
  const SIZE = 60 * MiB + 1536;
  const disk = diskOf(SIZE, [
    { end: 9 * MiB + 1, kind: 'noise', seed: 1 },
    { end: 14 * MiB, kind: 'zero', seed: 0 },
    { end: 53 * MiB, kind: 'repeat', seed: 2 },
    { end: SIZE, kind: 'noise', seed: 3 },
  ]).bytes;

  const expected = { diskimg: '', sha256: `sha256:${sha256(disk)}` };

  beforeAll(async () => {
    expected.diskimg = await ofRaw(disk);
    writeFileSync(temp('disk.raw'), disk);
    await convert(temp('disk.raw'), temp('disk.qcow2'), { format: 'qcow2', options: { compress: true } });
    await convert(temp('disk.raw'), temp('disk.vhd'), { format: 'vhd' });
    await convert(temp('disk.raw'), temp('disk.zvhd'), { format: 'zvhd' });
    await convert(temp('disk.raw'), temp('disk.zvhd2'), { format: 'zvhd2' });
  });

  it.each(['raw', 'qcow2', 'vhd', 'zvhd', 'zvhd2'])('of %s is that of the calling thread', async (format) => {
    const path = temp(`disk.${format}`);
    for (const threads of [1, 3]) {
      const options = { threads, size: SIZE };
      expect(await digestOf(path, options)).toBe(expected.diskimg);
      expect(await digestOf(path, { ...options, algorithm: 'sha256' })).toBe(expected.sha256);
    }
  });
});

describe('the digest diskimg-1', () => {
  const script = fileURLToPath(new URL('support/content-digest.py', import.meta.url));
  const python = ['python3', '/usr/bin/python3'].find((file) => spawnSync(file, ['--version']).status === 0);
  const title = python ? 'is what ten lines of Python compute' : 'is what Python computes (no python3 here)';

  it.skipIf(!python)(title, async () => {
    const sizes = [0, 1, 512, MiB - 1, MiB, MiB + 1, 5 * MiB + 1536];
    for (const [seed, size] of sizes.entries()) {
      const middle = { end: Math.floor(size / 2), kind: 'zero', seed } as const;
      const disk = diskOf(size, [middle, { end: size, kind: 'noise', seed }]).bytes;
      writeFileSync(temp('python.raw'), disk);
      const theirs = execFileSync(python as string, [script, temp('python.raw')], { encoding: 'utf8' });
      expect(await ofRaw(disk)).toBe(theirs.trim());
    }
  });

  it('never changes', async () => {
    const disk = diskOf(5 * MiB + 512, [
      { end: 70 * KiB, kind: 'repeat', seed: 1 },
      { end: 3 * MiB, kind: 'zero', seed: 0 },
      { end: 5 * MiB + 512, kind: 'repeat', seed: 2 },
    ]).bytes;
    expect(await ofRaw(disk)).toBe(
      'diskimg-1:c84a8093bccffb98b428262b7492c077dcba5de87b9f19fbb4bdb9e3b4b7faf1',
    );
    expect(await ofRaw(new Uint8Array(0))).toBe(
      'diskimg-1:e6a8cd4d4eb6ce3f8b3b2d549d65e2228e7c0f48bd8d3e61596d6d175ccb3074',
    );
  });

  it('does not read holes', async () => {
    const start = Buffer.from('a disk');
    const source: ByteSource = {
      name: 'sparse',
      size: TiB,
      async read(into, fileOffset) {
        if (fileOffset + into.length > MiB) throw new Error('a hole was read');
        into.fill(0).set(start.subarray(fileOffset, into.length));
      },
      dataRanges: () => [{ start: 0, end: 4 * KiB }],
      close: async () => {},
    };
    const { digest } = await digestImage(source, { input: raw });
    expect(digest).toBe(await ofRaw(start, { size: TiB }));
  });
});
