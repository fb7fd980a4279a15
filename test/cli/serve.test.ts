/** `diskimg serve`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { diskimg } from '../support/command.ts';
import { bin } from '../support/processes.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(3 * MiB, 8);

beforeAll(() => writeFileSync(temp('disk.raw'), disk));

/** Runs the command; `use` is given the URL, and `stop` interrupts it. */
async function serve(args: readonly string[], use: (url: string, stop: () => void) => unknown) {
  const controller = new AbortController();
  let used: unknown;
  let out = '';
  const result = await diskimg(['serve', '-f', 'raw', ...args, temp('disk.raw')], {
    signal: controller.signal,
    out: (text) => {
      out += text;
      used = use(text.trim(), () => controller.abort());
    },
  });
  await used;
  return { ...result, out };
}

const bytesOf = async (answer: Response): Promise<Buffer> => Buffer.from(await answer.arrayBuffer());

it('ends after one download with --once, and tells of every request', async () => {
  const { code, out, err } = await serve(['-O', 'raw', '--name', 'a b.raw', '--once'], async (url) => {
    await fetch(url, { method: 'HEAD' });
    await fetch(url, { headers: { range: 'bytes=0-99' } }).then(bytesOf);
    expect(sha256(await bytesOf(await fetch(url)))).toBe(sha256(disk));
  });
  expect({ code, out }).toEqual({
    code: 0,
    out: expect.stringMatching(/^http:..127.0.0.1:\d+.a%20b.raw\n$/),
  });
  expect(err).toContain('127.0.0.1 HEAD /a%20b.raw: 200, 0 bytes\n');
  expect(err).toContain('127.0.0.1 GET /a%20b.raw bytes=0-99: 206, 100 bytes\n');
  expect(err).toContain(`127.0.0.1 GET /a%20b.raw: 200, ${disk.length} bytes\n`);
});

it('goes on until it is interrupted', async () => {
  const { code, err } = await serve(['-O', 'qcow2', '-c'], async (url, stop) => {
    const answer = await fetch(url);
    expect(Number(answer.headers.get('content-length'))).toBe((await bytesOf(answer)).length);
    await fetch(new URL('/other', url));
    stop();
  });
  expect(code).toBe(0);
  expect(err).toContain('[spooled]');
  expect(err).toContain('GET /other: 404, 0 bytes\n');
});

it('tells programs in JSON', async () => {
  const { err } = await serve(['-O', 'zvhd2', '--once', '--progress', 'json'], (url) =>
    fetch(url).then(bytesOf),
  );
  const events = err
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events).toContainEqual(expect.objectContaining({ event: 'request', status: 200, isComplete: true }));
  expect(events.at(-1)).toMatchObject({ event: 'done', virtualSize: disk.length });
});

it('an interrupted --once is an error', async () => {
  const { code, err } = await serve(['-O', 'raw', '--once'], (_, stop) => stop());
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('[cancelled]') });
});

it.each([
  [['--once'], 'Say it with -O'],
  [['-O', 'vhd', '--port', '70000'], 'Expected a port'],
  [['-O', 'vhd', '--host', 'no.such.host.invalid'], 'Cannot listen on no.such.host.invalid'],
  [['-O', 'raw', '-c'], 'raw has no compression'],
])('%j is refused', async (flags, reason) => {
  const { code, err } = await serve(flags, () => {});
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(reason) });
});

it('what clients say does not reach the terminal as it is', async () => {
  const { err } = await serve(['-O', 'raw'], async (url, stop) => {
    await fetch(url, { headers: { range: 'bytes=0-1\u009b2J' } }).then(bytesOf);
    stop();
  });
  expect(err).toContain('bytes=0-1?2J: 200');
});

it('a process: SIGINT ends it', async () => {
  const child = spawn(process.execPath, [bin, 'serve', '-f', 'raw', '-O', 'vhd', temp('disk.raw')]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const [url] = await once(child.stdout.setEncoding('utf8'), 'data');
  expect((await fetch(String(url).trim(), { method: 'HEAD' })).status).toBe(200);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
});
