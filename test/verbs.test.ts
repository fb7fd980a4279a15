/** The README's table of verbs: it has every format, and every cell is tried. What it calls possible is done, the rest refused. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type FormatName, formats, serveImage } from '../src/index.ts';
import { type CommandResult, diskimg } from './support/command.ts';
import { fixtureBytes, fixtureNamed } from './support/fixtures.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const MiB = 1024 * 1024;
const disk = new Uint8Array(3 * MiB);
disk.fill(0x55, 0, 4096);
disk.fill(0xaa, MiB, MiB + 70_000);

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const [header = [], , ...rows] = readme
  .slice(readme.indexOf('| verb |'))
  .split('\n\n', 1)
  .flatMap((table) => table.split('\n'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

const isRefusal = (cell: string): boolean => /^(no\b|not\b|has no)/.test(cell);

/** Formats that are not written, by an image of another tool. */
const fixed: Partial<Record<FormatName, string>> = {
  qcow: 'qcow/plain',
  qed: 'qed/any-order',
  luks: 'luks/xts',
};

beforeAll(async () => {
  writeFileSync(temp('disk.raw'), disk);
  mkdirSync(temp('images'));
  for (const { name } of formats) {
    const fixture = fixed[name];
    if (fixture) writeFileSync(image(name), fixtureBytes(fixtureNamed(fixture)));
    else await diskimg(['convert', '-O', name, temp('disk.raw'), image(name)]);
  }
});

const image = (format: string): string => temp(`images/disk.${format}`);
const io = { env: { DISKIMG_PASSPHRASE: 'secret' } };
const run = (...args: string[]): Promise<CommandResult> => diskimg(args, io);

/** Serves the image and asks for its first bytes. */
async function serve(source: string, format: string, options = {}): Promise<CommandResult> {
  try {
    await using server = await serveImage(source, {
      format,
      options,
      input: { passphrase: 'secret' },
    } as never);
    const answer = await fetch(server.url, { method: 'HEAD' });
    return { code: answer.ok ? 0 : 1, out: answer.headers.get('accept-ranges') ?? 'none', err: '' };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code: 1, out: '', err: `diskimg: [${code}] ${message}` };
  }
}

async function snapshot(format: string): Promise<CommandResult> {
  if (format !== 'qcow2') return run('convert', '-f', format, '-l', '1', image(format), temp('old.raw'));
  writeFileSync(temp('snapshots'), fixtureBytes(fixtureNamed('qcow2/snapshots')));
  return run('convert', '-l', '1', temp('snapshots'), temp('old.raw'));
}

async function resize(format: string): Promise<CommandResult> {
  const path = temp(`grow.${format}`);
  writeFileSync(path, readFileSync(image(format)));
  if (format === 'vhd') await run('convert', '-O', 'vhd', '-o', 'subformat=fixed', temp('disk.raw'), path);
  return run('resize', '-f', format, path, '+1M');
}

const build = (format: string) =>
  run('create', '-f', format, '-b', image(format), '-F', format, temp(`over.${format}`));

/** What each row of the table stands for. */
const trials: Record<string, readonly ((format: string) => Promise<CommandResult>)[]> = {
  '`convert` from it, `upload`, `serve`': [
    (format) => run('convert', '-O', 'qcow2', image(format), temp('from.qcow2')),
    (format) => run('convert', '-O', 'qcow2', image(format), '-'), // parts leave as a stream does
    (format) => serve(image(format), 'raw'),
  ],
  '`info`, `info --disk`, `preflight`': [
    (format) => run('info', image(format)),
    (format) => run('info', '--disk', image(format)),
    async (format) => {
      const { code, out, err } = await run('preflight', '--for', 'openstack', '--data-disk', image(format));
      return { code: out.includes('OpenStack') && code <= 1 ? 0 : code, out, err };
    },
  ],
  '`compare`, `digest`, `cat`, `map`': [
    (format) => run('compare', image(format), image(format)),
    (format) => run('digest', image(format)),
    (format) => run('cat', '--length', '512', image(format)),
    (format) => run('map', image(format)),
  ],
  '`check`': [(format) => run('check', '-f', format, image(format))],
  '`convert -l` (snapshots)': [snapshot],
  '`convert` to it, `create`': [
    (format) => run('convert', '-O', format, temp('disk.raw'), temp(`to.${format}`)),
    (format) => run('create', '-f', format, temp(`new.${format}`), '4M'),
  ],
  '`upload`, `convert` to a pipe': [(format) => run('convert', '-O', format, temp('disk.raw'), '-')],
  '`serve` as it': [(format) => serve(temp('disk.raw'), format)],
  '`measure`': [(format) => run('measure', '-O', format, '--scan', '--output', 'json', temp('disk.raw'))],
  '`create -b`, `convert -B`': [
    build,
    async (format) => {
      await build(format);
      const kept = ['--allow-path', temp('.'), '-B', image(format), '-F', format];
      return run(
        'convert',
        '-f',
        format,
        '-O',
        format,
        ...kept,
        temp(`over.${format}`),
        temp(`again.${format}`),
      );
    },
  ],
  '`resize` (grow)': [resize],
};

test('has every format, and every verb is tried', () => {
  expect(header).toEqual(['verb', ...formats.map(({ name }) => name)]);
  expect(rows.map(([verb]) => verb)).toEqual(Object.keys(trials));
});

describe.each(rows)('%s', (verb = '', ...cells) => {
  test.each(cells.map((cell, index) => [header[index + 1] as string, cell] as const))(
    '%s: %s',
    async (format, cell) => {
      for (const attempt of trials[verb] ?? []) {
        const { code, out, err } = await attempt(format);
        if (isRefusal(cell)) {
          expect(code, err).toBe(1);
          expect(err).toMatch(/^diskimg: \[[a-z-]+\] /);
        } else {
          expect(err).not.toMatch(/^diskimg: \[/m);
          expect(code, err).toBe(0);
        }
        if (verb === '`serve` as it' && code === 0)
          expect(out).toBe(cell === 'without ranges' ? 'none' : 'bytes');
        if (verb === '`measure`' && code === 0) expect(JSON.parse(out).exact).toBe(cell.startsWith('exact'));
      }
    },
  );
});
