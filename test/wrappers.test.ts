/** Images that are compressed as a whole: unpacked, or refused; never a part of one taken for the whole. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { KiB, MiB } from '../src/binary/align.ts';
import { checkImage, convert, formats, ImageError, imageInfo, openImage } from '../src/index.ts';
import { difference } from './support/guest-disks.ts';
import { describeWith } from './support/native-tools.ts';
import { startDiskimg } from './support/processes.ts';
import { seededGuest, seededRandom } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(MiB + 300 * KiB + 512, 41);

const tools = {
  gz: { program: 'gzip', args: ['-nc'] },
  zst: { program: 'zstd', args: ['-qc'] },
  xz: { program: 'xz', args: ['-c'] },
  bz2: { program: 'bzip2', args: ['-c'] },
} as const;
type Suffix = keyof typeof tools;
const suffixes = Object.keys(tools) as Suffix[];

const packed = (suffix: Suffix, bytes: Uint8Array): Buffer =>
  execFileSync(tools[suffix].program, tools[suffix].args, { input: bytes, maxBuffer: 64 * MiB });

async function readBack(path: string): Promise<Buffer> {
  await convert(path, temp('back.raw'), { format: 'raw', size: disk.length });
  return readFileSync(temp('back.raw'));
}

describeWith(['zstd', 'xz', 'bzip2', 'bash'], 'images in wrappers', () => {
  beforeAll(async () => {
    for (const { name } of formats.filter((format) => 'writer' in format)) {
      await convert(new Uint8Array(disk), temp(`disk.${name}`), {
        format: name,
        input: { format: 'raw' },
      } as never);
    }
  });

  describe.each(suffixes)('.%s', (suffix) => {
    it.each(['raw', 'vhd', 'qcow2', 'vdi', 'zvhd', 'zvhd2'])('%s', async (format) => {
      const path = temp(`disk.${format}.${suffix}`);
      writeFileSync(path, packed(suffix, readFileSync(temp(`disk.${format}`))));
      expect(difference(await readBack(path), disk)).toBeUndefined();
      await using image = await openImage(path);
      expect(image.notes).toMatchObject([{ code: 'unpacked' }]);
      expect(imageInfo(image).format).toBe(format);
      const { format: checked } = await checkImage(path);
      expect(checked).toBe(format);
    });

    it('in a process of its own, where modules are loaded as Node does it', async () => {
      const path = temp(`process.${suffix}`);
      writeFileSync(path, packed(suffix, readFileSync(temp('disk.vhd'))));
      const { code, out, err } = await startDiskimg(['info', path]).ended;
      expect(err).toBe('');
      expect(code).toBe(0);
      expect(out).toContain('file format: vhd');
    });

    it('one behind the other, as one file', async () => {
      const path = temp(`two.${suffix}`);
      const [first, second] = [disk.subarray(0, MiB), disk.subarray(MiB)];
      writeFileSync(path, Buffer.concat([packed(suffix, first), packed(suffix, second)]));
      expect(difference(await readBack(path), disk)).toBeUndefined();
    });

    it('cut anywhere is refused', async () => {
      const whole = packed(suffix, disk);
      const random = seededRandom(whole.length);
      const cuts = [
        whole.length - 1,
        whole.length - 9,
        ...Array.from({ length: 8 }, () => 20 + (random() % (whole.length - 20))),
      ];
      for (const cut of cuts) {
        const opening = openImage(whole.subarray(0, cut));
        await expect(opening, `cut to ${cut}`).rejects.toMatchObject({
          code: expect.toBeOneOf(['truncated', 'bad-data']),
        });
      }
    });

    it('damaged anywhere is refused, or the same', async () => {
      const whole = packed(suffix, disk);
      const random = seededRandom(whole.length + 1);
      for (let round = 0; round < 8; round++) {
        const bytes = Buffer.from(whole);
        const at = 12 + (random() % (whole.length - 12));
        bytes[at] = (bytes[at] as number) ^ (1 << (random() % 8));
        const reading = (async () => {
          await using image = await openImage(bytes);
          const found = new Uint8Array(image.virtualSize);
          await image.read(found, 0);
          return difference(found, disk);
        })();
        const outcome = await reading.catch((error: unknown) => error);
        if (outcome !== undefined) expect(outcome, `damaged at ${at}`).toBeInstanceOf(ImageError);
      }
    });

    it('with something else behind it is refused', async () => {
      const bytes = Buffer.concat([packed(suffix, disk.subarray(0, MiB)), Buffer.from('something else')]);
      await expect(openImage(bytes)).rejects.toMatchObject({
        code: expect.toBeOneOf(['bad-data', 'truncated']),
      });
    });

    it('is what it is when the caller says so, and its name does not say otherwise', async () => {
      const bytes = packed(suffix, disk.subarray(0, 4 * KiB));
      await using image = await openImage(bytes, { format: 'raw' });
      expect(image.virtualSize).toBe(bytes.length);
      writeFileSync(temp(`named.raw.${suffix}`), bytes);
      await using named = await openImage(temp(`named.raw.${suffix}`), { format: 'raw' });
      expect(named.virtualSize).toBe(4 * KiB);
    });
  });

  it.each(suffixes)('a bomb of .%s is stopped where it is large enough', async (suffix) => {
    const bomb = packed(suffix, Buffer.alloc(60 * MiB));
    const memory = process.memoryUsage().arrayBuffers;
    const opening = openImage(bomb, { maxSpoolBytes: 4 * MiB });
    await expect(opening).rejects.toMatchObject({ code: 'over-budget' });
    expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(150 * MiB);
  });

  it('takes no more room than it may, and leaves nothing behind', async () => {
    const bytes = packed('gz', Buffer.alloc(64 * MiB));
    vi.stubEnv('TMPDIR', temp('.'));
    const before = readdirSync(temp('.'));
    await expect(openImage(bytes, { maxSpoolBytes: 10 * MiB })).rejects.toMatchObject({
      code: 'over-budget',
    });
    await using image = await openImage(bytes);
    expect(image.source.allocatedSize).toBe(0); // zeros are holes
    vi.unstubAllEnvs();
    expect(
      readdirSync(temp('.')).filter((name) => name.startsWith('diskimg-spool') && !before.includes(name)),
    ).toEqual([]);
  });
});
