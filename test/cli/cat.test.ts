import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { convert } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { bin } from '../support/processes.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(5 * MiB + 1536, 6);

beforeAll(async () => {
  writeFileSync(temp('a.raw'), disk);
  await convert(temp('a.raw'), temp('a.qcow2'), { format: 'qcow2', options: { compress: true } });
});

/** What `diskimg cat` writes. */
async function cat(...args: readonly string[]): Promise<Buffer> {
  const { code, out, err } = await diskimg(['cat', ...args]);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return Buffer.from(out, 'latin1');
}

describe('diskimg cat', () => {
  it('writes the disk, or a part of it', async () => {
    const path = temp('a.qcow2');
    expect(sha256(await cat(path))).toBe(sha256(disk));
    for (const [offset, length] of [
      [0, 512],
      [3, 70_000],
      [2 * MiB - 1, 2],
      [disk.length - 1, 1],
      [disk.length, 0],
    ] as const) {
      const part = await cat('--offset', `${offset}`, '--length', `${length}`, path);
      expect(part.equals(disk.subarray(offset, offset + length))).toBe(true);
    }
    expect((await cat('--offset', '5M', '-f', 'qcow2', path)).equals(disk.subarray(5 * MiB))).toBe(true);
  });

  it.each([
    ['a missing image', ['no-such'], /^diskimg: \[not-found]/],
    [
      'an offset past the end',
      ['--offset', '6M', 'a.raw'],
      /\[bad-size] The disk has no byte 6291456: it ends/,
    ],
    [
      'more than there is',
      ['--length', '6M', 'a.raw'],
      /\[bad-size] The disk has no 6291456 bytes from 0: it/,
    ],
    ['what is no size', ['--offset', 'end', 'a.raw'], /Expected a size/],
  ])('refuses %s, and writes nothing', async (_, args, line) => {
    const argv = args.map((arg) => (arg === 'a.raw' ? temp(arg) : arg));
    const { code, out, err } = await diskimg(['cat', ...argv]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(line);
  });

  it('reads on only when what it has read is written', async () => {
    let written = 0;
    let isBusy = false;
    const { code } = await diskimg(['cat', temp('a.raw')], {
      async write({ length }) {
        expect(isBusy).toBe(false);
        isBusy = true;
        await new Promise((resolve) => setTimeout(resolve, 2));
        isBusy = false;
        written += length;
        return true;
      },
    });
    expect([code, written]).toEqual([0, disk.length]);
  });

  it('stops in silence when nobody reads any more', async () => {
    let writes = 0;
    const write = async () => ++writes < 2;
    expect(await diskimg(['cat', temp('a.raw')], { write })).toEqual({ code: 0, out: '', err: '' });
    expect(writes).toBe(2);
  });

  it('stops when it is told to', async () => {
    const { code, err } = await diskimg(['cat', temp('a.raw')], { signal: AbortSignal.abort() });
    expect(code).toBe(1);
    expect(err).toContain('[cancelled]');
  });
});

describe('the process', () => {
  it('writes bytes', () => {
    const out = execFileSync(process.execPath, [bin, 'cat', temp('a.qcow2')], { maxBuffer: 16 * MiB });
    expect(sha256(out)).toBe(sha256(disk));
  });

  it('ends in silence when its reader goes away', async () => {
    const child = spawn(process.execPath, [bin, 'cat', temp('a.qcow2')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let err = '';
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it.skipIf(!existsSync('/dev/full'))('says when its output is full', () => {
    const command = '"$0" "$1" cat "$2" > /dev/full';
    const { status, stderr } = spawnSync('sh', ['-c', command, process.execPath, bin, temp('a.raw')], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^diskimg: \[write-failed] Output cannot be written: ENOSPC.*\n$/),
    });
  });
});
