import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formats } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixtureBytes, fixtureNamed, fixturePath } from '../support/fixtures.ts';
import { bin } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const debian = fixturePath('qcow2/debian-disk.qcow2');
const { guestSha256, virtualSize } = fixtureNamed('qcow2/debian-disk');
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const unpacked = (name: string, as: string): string => {
  writeFileSync(temp(as), fixtureBytes(fixtureNamed(name)));
  return temp(as);
};

describe('diskimg convert', () => {
  it('converts to ZVHD2 and back, silently', async () => {
    expect(await diskimg(['convert', debian, temp('a.zvhd2')])).toEqual({ code: 0, out: '', err: '' });
    expect(await diskimg(['convert', '--size', 'original', temp('a.zvhd2'), temp('a.raw')])).toEqual({
      code: 0,
      out: '',
      err: '',
    });
    expect(sha256(temp('a.raw'))).toBe(guestSha256);
  });

  it("takes qemu-img's names: -O vpc, -m, -o, -c, -p", async () => {
    const flags = ['-f', 'qcow2', '-O', 'vpc', '-m', '2', '-p', '-o', 'subformat=fixed'];
    const { code, err } = await diskimg(['convert', ...flags, debian, temp('b.bin')]);
    expect({ code, last: err.trim().split('\n').at(-1) }).toEqual({ code: 0, last: '100 %' });
    expect(statSync(temp('b.bin')).size).toBe((virtualSize ?? 0) + 512);
  });

  it('reports progress as JSON lines, with the report last', async () => {
    const { code, err } = await diskimg(['convert', '--progress', 'json', debian, temp('c.qcow2')]);
    const events = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(0);
    expect(events.at(-2)).toMatchObject({
      event: 'progress',
      doneBytes: virtualSize,
      totalBytes: virtualSize,
    });
    expect(events.at(-1)).toMatchObject({ event: 'done', outputFormat: 'qcow2', virtualSize });
  });

  it('says what a user should know', async () => {
    const source = unpacked('qcow2/snapshots', 'snapshots.qcow2');
    const { code, err } = await diskimg(['convert', source, temp('d.raw')]);
    expect(code).toBe(0);
    expect(err).toMatch(/^diskimg: note: \[snapshots] \d internal snapshots in the image/);
    expect((await diskimg(['convert', '-q', source, temp('d.raw')])).err).toBe('');
  });

  it('refuses to cut off data, and says where it is', async () => {
    const { code, err } = await diskimg(['convert', '--size', '1M', debian, temp('e.raw')]);
    expect(code).toBe(1);
    expect(err).toMatch(
      /^diskimg: \[data-past-size] The disk holds data past 1048576 bytes\. \(guest byte \d+\) Shrink/,
    );
    expect(existsSync(temp('e.raw'))).toBe(false);
  });

  it('is the same with --reproducible, whenever it is run', async () => {
    for (const name of ['f1.vhd', 'f2.vhd']) {
      await diskimg(['convert', '--reproducible', debian, temp(name)], {
        env: { SOURCE_DATE_EPOCH: '1700000000' },
      });
    }
    expect(sha256(temp('f1.vhd'))).toBe(sha256(temp('f2.vhd')));
  });

  it.each([
    [
      'a missing source',
      ['convert', 'no-such.qcow2', 'x.raw'],
      /^diskimg: \[not-found] There is no file no-such/,
    ],
    ['a folder', ['convert', '.', 'x.raw'], /^diskimg: \[not-a-file] \. is a directory/],
    [
      'no format',
      ['convert', debian, 'x.bin'],
      /^diskimg: \[bad-option] The name x\.bin does not tell a format/,
    ],
    [
      'a wrong format',
      ['convert', '-f', 'vhd', debian, 'x.raw'],
      /^diskimg: \[wrong-format] There is no VHD footer/,
    ],
    [
      'an unknown format',
      ['convert', '-O', 'vhdz', debian, 'x'],
      /argument 'vhdz' is invalid\. Formats: raw, vhd/,
    ],
    [
      'an unknown option',
      ['convert', '-o', 'a=b', debian, 'x.raw'],
      /^diskimg: \[bad-option] raw has no option a/,
    ],
    ['an unknown flag', ['convert', '--fast', debian, 'x.raw'], /unknown option '--fast'/],
    ['a missing argument', ['convert', debian], /no image to read, or no file to write/],
    ['a bad size', ['convert', '--size', '64x', debian, 'x.raw'], /Expected a size/],
    [
      'a bad sparse size',
      ['convert', '-S', '100', debian, 'x.raw'],
      /^diskimg: \[bad-option] A sparse size of 100/,
    ],
    [
      'an output folder that is not there',
      ['convert', debian, 'no/x.raw'],
      /^diskimg: \[write-failed] no\/x\.raw/,
    ],
  ])('refuses %s with one clear line and exit code 1', async (_, argv, line) => {
    const { code, out, err } = await diskimg(argv);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(line);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it('--verbose adds what caused an error', async () => {
    const { err } = await diskimg(['convert', '--verbose', 'no-such.qcow2', 'x.raw']);
    expect(err).toContain('caused by: ENOENT');
  });

  it('leaves nothing when it is cancelled', async () => {
    const signal = AbortSignal.abort(new Error('The process got SIGINT.'));
    const { code, err } = await diskimg(['convert', debian, temp('g.raw')], { signal });
    expect({ code, err }).toEqual({ code: 1, err: 'diskimg: [cancelled] The work was cancelled.\n' });
    expect(readdirSync(temp('.')).filter((name) => name.includes('g.raw'))).toEqual([]);
  });
});

describe('diskimg info', () => {
  it('describes an image for people', async () => {
    const { code, out } = await diskimg(['info', debian]);
    expect(code).toBe(0);
    expect(out).toContain('file format: qcow2\nvirtual size: 64 MiB (67108864 bytes)\n');
  });

  it("describes it as JSON, with qemu-img's keys", async () => {
    const { out } = await diskimg(['info', '--output', 'json', debian]);
    expect(JSON.parse(out)).toMatchObject({
      'virtual-size': virtualSize,
      filename: debian,
      format: 'qcow2',
      'cluster-size': 65536,
      'dirty-flag': false,
      'format-specific': { type: 'qcow2', data: { compat: '1.1', 'refcount-bits': 16 } },
    });
  });

  it('shows all sizes of a VHD, and lets the user choose', async () => {
    const path = unpacked('vhd/creator-vpc', 'creator-vpc.vhd');
    const read = async (...flags: string[]) =>
      JSON.parse((await diskimg(['info', '--output', 'json', ...flags, path])).out);
    const { 'format-specific': specific, 'virtual-size': size } = await read();
    expect(specific.data).toMatchObject({ creator: 'vpc', 'size-rule': 'chs', 'chs-size': size });
    expect((await read('-o', 'size=current'))['virtual-size']).toBe(specific.data['current-size']);
  });
});

describe('diskimg formats', () => {
  it('lists every format that is registered', async () => {
    const { out } = await diskimg(['formats', '--output', 'json']);
    expect(JSON.parse(out).map(({ name }: { name: string }) => name)).toEqual(
      formats.map(({ name }) => name),
    );
    const human = (await diskimg(['formats'])).out;
    for (const { title } of formats) expect(human).toContain(title);
  });
});

describe('help', () => {
  it.each(['convert', 'info', 'formats'])('of %s has examples', async (verb) => {
    const { code, out } = await diskimg([verb, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`\nExamples:\n  diskimg ${verb}`);
  });

  it('names the version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const { code, out } = await diskimg(['--version']);
    expect(code).toBe(0);
    expect(out.split('\n')).toEqual([
      version,
      `formats: ${formats.map(({ name }) => name).join(', ')}`,
      expect.stringMatching(/^codecs: .*deflate.*zstd/),
      expect.stringMatching(/^node \d+\.\d+\.\d+, zlib \d.*, zstd /),
      '',
    ]);
  });
});

describe('the process', () => {
  it('exits with the code of the command', () => {
    const out = execFileSync(process.execPath, [bin, 'info', debian], { encoding: 'utf8' });
    expect(out).toContain('file format: qcow2');
    expect(() => execFileSync(process.execPath, [bin, 'info', 'no-such'], { stdio: 'pipe' })).toThrow(
      '[not-found]',
    );
  });

  it.skipIf(process.platform === 'win32')('cleans up after SIGTERM', async () => {
    const folder = temp('.');
    const source = join(folder, 'big.raw');
    writeFileSync(source, new Uint8Array(96 * 1024 * 1024).fill(7));
    const child = spawn(process.execPath, [
      bin,
      'convert',
      '-O',
      'qcow2',
      '-c',
      source,
      join(folder, 'h.qcow2'),
    ]);
    const partial = () => readdirSync(folder).filter((name) => name.includes('h.qcow2'));
    while (partial().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGTERM');
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(1);
    expect(partial()).toEqual([]);
  });
});
