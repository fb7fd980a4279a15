import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { holeFinder } from '../../src/io/file-holes.ts';
import { openBlockingFileSource, openFileSource } from '../../src/io/file-source.ts';
import type { ByteSource } from '../../src/io/source.ts';
import { difference, noise } from '../support/guest-disks.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const content = noise(300_001, 1);
writeFileSync(path('file'), content);

const opened: readonly [string, () => ByteSource | Promise<ByteSource>][] = [
  ['for the main thread', () => openFileSource(path('file'))],
  ['for a worker', () => openBlockingFileSource(path('file'), content.length, undefined)],
];

describe.each(opened)('a file source %s', (_, open) => {
  it('gives any part of the file', async () => {
    const source = await open();
    expect(source.size).toBe(content.length);
    for (const [from, to] of [
      [0, content.length],
      [1, 2],
      [299_000, 300_001],
      [5, 5],
    ] as const) {
      const bytes = new Uint8Array(to - from);
      await source.read(bytes, from);
      expect(difference(bytes, content.subarray(from, to))).toBeUndefined();
    }
    await source.close();
  });

  it('says where the file ends too early', async () => {
    const source = await open();
    await expect(source.read(new Uint8Array(10), content.length - 5)).rejects.toMatchObject({
      name: 'CorruptImageError',
      code: 'truncated',
      fileOffset: content.length,
    });
    await source.close();
  });
});

describe('a file source', () => {
  it('tells how a worker finds it, and what it takes on the disk', async () => {
    const source = await openFileSource(path('file'));
    expect(source.descriptor).toMatchObject({ kind: 'file', path: path('file') });
    expect(source.allocatedSize).toBeGreaterThan(0);
    await source.close();
  });

  it('notices when the file is written', async () => {
    for (const change of [
      () => appendFileSync(path('busy'), '!'),
      () => writeFileSync(path('busy'), 'TEXT'),
      () => writeFileSync(path('busy'), ''),
    ]) {
      writeFileSync(path('busy'), 'text');
      const source = await openFileSource(path('busy'));
      await source.requireUnchanged?.();
      await new Promise((resolve) => setTimeout(resolve, 20)); // file systems keep time in ticks
      change();
      await expect(source.requireUnchanged?.()).rejects.toMatchObject({
        name: 'ImageIoError',
        code: 'source-changed',
      });
      await source.close();
    }
  });

  it('is no directory and no character device, and exists', async () => {
    for (const [name, code] of [
      [path(''), 'not-a-file'],
      ['/dev/null', 'not-a-file'],
      [path('nothing'), 'not-found'],
      [path('file/below'), 'read-failed'],
    ] as const) {
      await expect(openFileSource(name)).rejects.toMatchObject({ name: 'ImageIoError', code });
    }
  });
});

describe('holes', () => {
  /** Data at the start, at 1 MiB and at 3 MiB; a hole at the end. */
  function sparseFile(): string {
    const fd = openSync(path('sparse'), 'w');
    for (const at of [0, MiB, 3 * MiB]) writeSync(fd, new Uint8Array(64 * KiB).fill(1), 0, 64 * KiB, at);
    ftruncateSync(fd, 5 * MiB);
    closeSync(fd);
    return path('sparse');
  }

  it('are found by a sparse file, in any range', async ({ skip }) => {
    skip(holeFinder() === undefined, 'koffi is not installed, or has no build for this platform');
    const source = await openFileSource(sparseFile());
    const file = readFileSync(path('sparse'));
    for (const [from, to] of [
      [0, 5 * MiB],
      [100, 2 * MiB + 1],
      [2 * MiB, 3 * MiB + 1],
      [4 * MiB, 5 * MiB],
      [7, 7],
    ] as const) {
      const ranges = [...(source.dataRanges?.(from, to) ?? [])];
      let at = from;
      for (const { start, end } of ranges) {
        expect(start).toBeGreaterThanOrEqual(at);
        expect(end).toBeGreaterThan(start);
        expect(file.subarray(at, start).every((byte) => byte === 0)).toBe(true);
        at = end;
      }
      expect(at).toBeLessThanOrEqual(to);
      expect(file.subarray(at, to).every((byte) => byte === 0)).toBe(true);
    }
    const sum = [...(source.dataRanges?.(0, 5 * MiB) ?? [])].reduce(
      (sum, { start, end }) => sum + end - start,
      0,
    );
    expect(sum).toBeLessThan(MiB);
    await source.close();
  });

  it('are data where the descriptor cannot be asked', ({ skip }) => {
    const find = holeFinder();
    if (find === undefined) return skip('koffi is not installed, or has no build for this platform');
    expect([...find(-1, 10, 20)]).toEqual([{ start: 10, end: 20 }]);
  });
});

describe('a block device', () => {
  /** A loop device over a file of that size, or why there is none. */
  function loopDevice(size: number): { device: string } | { reason: string } {
    writeFileSync(path('behind'), noise(size, 2));
    const { status, stdout, stderr, error } = spawnSync('losetup', ['--find', '--show', path('behind')], {
      encoding: 'utf8',
    });
    if (status === 0) return { device: stdout.trim() };
    return { reason: `no loop device: ${error?.message ?? stderr.trim()}` };
  }

  it.for([512, 4096, 4608, MiB + 512, 3 * MiB])(
    'of %d bytes has its size and its bytes',
    async (size, { skip }) => {
      const loop = loopDevice(size);
      if ('reason' in loop) return skip(loop.reason);
      try {
        const source = await openFileSource(loop.device);
        expect(source.size).toBe(size);
        const bytes = new Uint8Array(size);
        await source.read(bytes, 0);
        expect(difference(bytes, noise(size, 2))).toBeUndefined();
        await source.close();
      } finally {
        spawnSync('losetup', ['--detach', loop.device]);
      }
    },
  );
});
