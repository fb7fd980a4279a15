import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { alignedBytes } from '../../src/io/aligned-memory.ts';
import { openFileTarget } from '../../src/io/file-target.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

describe('a file target', () => {
  it('writes many more parts than the system takes at once', async () => {
    writeFileSync(path('many'), '');
    const target = openFileTarget(path('many'), { direct: false });
    const parts = Array.from({ length: 2500 }, (_, i) => new Uint8Array(i % 7).fill(i));
    await target.write(parts, 10);
    await target.write([], 0);
    await target.close();
    expect(readFileSync(path('many'))).toEqual(Buffer.concat([Buffer.alloc(10), ...parts]));
  });

  it('leaves what it is not told to write', async () => {
    writeFileSync(path('some'), 'abcdef');
    const target = openFileTarget(path('some'), { direct: false });
    await target.write([Buffer.from('X'), Buffer.from('Y')], 2);
    await target.close();
    expect(readFileSync(path('some'), 'utf8')).toBe('abXYef');
  });

  it('says when it cannot write', async () => {
    const target = openFileTarget('/dev/full', { direct: false });
    const failed = target.write([Uint8Array.of(1)], 0);
    await expect(failed).rejects.toMatchObject({
      name: 'ImageIoError',
      code: 'write-failed',
      hint: expect.stringContaining('full'),
    });
    await target.close();
  });

  describe.each([true, false])('with direct: %s', (direct) => {
    it('writes on pages and off them, from aligned memory and from any other', async () => {
      const name = `direct-${direct}`;
      writeFileSync(path(name), '');
      const target = openFileTarget(path(name), { direct });
      const expected = Buffer.alloc(2 * MiB);
      const write = async (memory: Uint8Array, parts: readonly (readonly [number, number])[], at: number) => {
        memory.forEach((_, i) => {
          memory[i] = (i * 31 + at) >> 3;
        });
        const chosen = parts.map(([start, end]) => memory.subarray(start, end));
        await target.write(chosen, at);
        Buffer.concat(chosen).copy(expected, at);
      };
      await write(alignedBytes(256 * 1024), [[0, 256 * 1024]], 0);
      await write(
        alignedBytes(256 * 1024),
        [
          [4096, 90112],
          [131072, 262144],
        ],
        512 * 1024,
      );
      await write(alignedBytes(128 * 1024), [[0, 128 * 1024]], 300 * 1024 + 512);
      await write(alignedBytes(128 * 1024), [[512, 128 * 1024]], 1024 * 1024);
      await write(alignedBytes(128 * 1024), [[0, 100_001]], 1280 * 1024);
      await write(new Uint8Array(256 * 1024 + 16).subarray(16), [[0, 256 * 1024]], 1536 * 1024);
      await target.close();
      const written = readFileSync(path(name));
      expect(written.equals(expected.subarray(0, written.length))).toBe(true);
      expect(written.length).toBe(1792 * 1024);
    });
  });
});
