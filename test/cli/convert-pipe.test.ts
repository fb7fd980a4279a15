/** `diskimg convert … -`: the same bytes as in a file, through a pipe. */

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { writableFormats } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { bin } from '../support/processes.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const digest = (bytes: string | Buffer): string =>
  createHash('sha256')
    .update(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    .digest('hex');
const raw = ['-f', 'raw'];

beforeAll(() => {
  writeFileSync(temp('disk'), seededGuest(6 * MiB + 512, 3));
  writeFileSync(temp('large'), seededGuest(60 * MiB, 4));
});

const kinds = [
  ...writableFormats.map(({ name }) => [name]),
  ['vhd', '-o', 'subformat=fixed'],
  ['qcow2', '-c'],
];

describe('to standard output', () => {
  it.each(kinds)('%s %s %s', async (format, ...flags) => {
    const args = ['convert', ...raw, '-O', format as string, ...flags, '--reproducible'];
    const piped = await diskimg([...args, '--scan', temp('disk'), '-']);
    expect(piped.code).toBe(0);
    await diskimg([...args, temp('disk'), temp('file')]);
    expect(digest(piped.out)).toBe(digest(readFileSync(temp('file'))));
    expect(piped.err.includes('[spooled]')).toBe(flags[0] === '-c');
  });

  it('goes through a real pipe, threads and all', async () => {
    const args = [bin, 'convert', ...raw, '-O', 'zvhd2', '--reproducible', temp('large')];
    await promisify(execFile)(process.execPath, [...args, temp('file')]);
    const { stdout } = await promisify(execFile)(process.execPath, [...args, '-'], {
      encoding: 'buffer',
      maxBuffer: 100 * MiB,
    });
    expect(digest(stdout)).toBe(digest(readFileSync(temp('file'))));
  });

  it('is an error when nobody reads to the end', async () => {
    const child = spawn(process.execPath, [bin, 'convert', ...raw, '-O', 'raw', temp('large'), '-']);
    let err = '';
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[write-failed] Nobody reads') });
  });

  it('leaves no temporary file behind', async () => {
    mkdirSync(temp('spools'));
    vi.stubEnv('TMPDIR', temp('spools'));
    const controller = new AbortController();
    const { code } = await diskimg(['convert', ...raw, '-O', 'qcow2', '-c', temp('large'), '-'], {
      signal: controller.signal,
      write: async () => {
        controller.abort();
        return true;
      },
    });
    vi.unstubAllEnvs();
    expect({ code, left: readdirSync(temp('spools')) }).toEqual({ code: 1, left: [] });
  });

  it.each([
    [['-O', 'vhd', '-n'], 'a pipe has nothing in it'],
    [['-O', 'vhd', '--verify'], 'diskimg digest'],
    [['-O', 'vhd', '--salvage'], 'known only at the end'],
    [['-O', 'vhd', '-B', 'base.vhd', '-F', 'vhd'], 'beside its base'],
    [[], 'Say it with -O'],
    [['-O', 'raw', '--max-output', '1M'], 'more than 1048576 bytes'],
  ])('%j is refused, with the reason', async (flags, reason) => {
    const { code, out, err } = await diskimg(['convert', ...raw, ...flags, temp('disk'), '-']);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(reason) });
    expect(out.length).toBeLessThanOrEqual(MiB);
  });

  it('is not for a terminal', async () => {
    const { code, out, err } = await diskimg(['convert', ...raw, '-O', 'raw', temp('disk'), '-'], {
      isOutputTerminal: true,
    });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('nothing for a terminal');
  });
});
