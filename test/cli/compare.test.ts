import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { convert } from '../../src/index.ts';
import { withBadPayload } from '../formats/poke.ts';
import { diskimg } from '../support/command.ts';
import { repeated } from '../support/guest-disks.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const SIZE = 2 * MiB;
const disk = repeated(SIZE, 1);

beforeAll(async () => {
  writeFileSync(temp('a.raw'), disk);
  const other = new Uint8Array(disk).fill(0, 1000, 2000);
  other[MiB] = ~(other[MiB] as number);
  writeFileSync(temp('b.raw'), other);
  const larger = new Uint8Array(3 * MiB);
  larger.set(disk);
  writeFileSync(temp('larger.raw'), larger);
  await convert(temp('a.raw'), temp('a.qcow2'), { format: 'qcow2', options: { compress: true } });
});

describe('diskimg compare', () => {
  it('exits with 0 where images hold the same disk', async () => {
    const result = await diskimg(['compare', temp('a.raw'), temp('a.qcow2')]);
    expect(result).toEqual({ code: 0, out: 'Images are identical.\n', err: '' });
  });

  it('exits with 1 where they do not, and says where and how much', async () => {
    expect(await diskimg(['compare', temp('a.qcow2'), temp('b.raw')])).toEqual({
      code: 1,
      out: 'Content mismatch at offset 1000!\n4 sectors differ (2 KiB), in 2 ranges.\n',
      err: '',
    });
    const { code, out } = await diskimg(['compare', '--first', temp('a.qcow2'), temp('b.raw')]);
    expect({ code, out }).toEqual({ code: 1, out: 'Content mismatch at offset 1000!\n' });
  });

  it('tells of different sizes, which only count when it is strict', async () => {
    const paths = [temp('a.qcow2'), temp('larger.raw')];
    expect(await diskimg(['compare', ...paths])).toEqual({
      code: 0,
      out: 'Warning: Image size mismatch!\nImages are identical.\n',
      err: '',
    });
    const strict = await diskimg(['compare', '-s', ...paths]);
    expect(strict).toEqual({ code: 1, out: 'Strict mode: Image size mismatch!\n', err: '' });
  });

  it('says the same as JSON', async () => {
    const { code, out } = await diskimg(['compare', '--output', 'json', temp('a.raw'), temp('b.raw')]);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      identical: false,
      sameSize: true,
      images: [
        { filename: temp('a.raw'), format: 'raw', virtualSize: SIZE },
        { filename: temp('b.raw'), format: 'raw', virtualSize: SIZE },
      ],
      firstDifference: 1000,
      differences: { sectors: 4, ranges: 2 },
      notes: [],
    });
  });

  it('shows its progress', async () => {
    const paths = [temp('a.raw'), temp('b.raw')];
    const { err } = await diskimg(['compare', '-p', ...paths]);
    expect(err.trim().split('\n').at(-1)).toBe('100 %');
    const events = (await diskimg(['compare', '--progress', 'json', ...paths])).err.trim().split('\n');
    expect(events.map((line) => JSON.parse(line)).slice(-2)).toEqual([
      { event: 'progress', doneBytes: SIZE, totalBytes: SIZE, elapsedMs: expect.any(Number) },
      expect.objectContaining({ event: 'done', identical: false, firstDifference: 1000 }),
    ]);
  });

  it('opens each image with options of its own', async () => {
    const flags = ['--second-options', 'size=current', '-F', 'vhd'];
    await convert(temp('a.raw'), temp('a.vhd'), { format: 'vhd' });
    expect((await diskimg(['compare', ...flags, temp('a.raw'), temp('a.vhd')])).code).toBe(0);
    const { code, err } = await diskimg([
      'compare',
      '--first-options',
      'size=current',
      '-f',
      'raw',
      'a',
      'b',
    ]);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('raw has no option size') });
  });

  it('prints nothing with -q', async () => {
    const same = await diskimg(['compare', '-q', temp('a.raw'), temp('a.qcow2')]);
    expect(same).toEqual({ code: 0, out: '', err: '' });
    const different = await diskimg(['compare', '-q', temp('a.raw'), temp('b.raw')]);
    expect(different).toEqual({ code: 1, out: '', err: '' });
  });

  it.each([
    ['a missing image', ['a.raw', 'no-such'], /^diskimg: \[not-found] There is no file/],
    ['a wrong format', ['-F', 'vhd', 'a.raw', 'a.qcow2'], /^diskimg: \[wrong-format]/],
    ['a missing argument', ['a.raw'], /missing required argument 'second'/],
    ['an unknown flag', ['--fast', 'a.raw', 'b.raw'], /unknown option '--fast'/],
    ['too many threads', ['-m', '999', 'a.raw', 'b.raw'], /^diskimg: \[bad-option] 999 threads/],
  ])('exits with 2 on %s', async (_, args, line) => {
    const isFile = /^(?:a|b|no-such)/;
    const argv = args.map((arg) => (isFile.test(arg) ? temp(arg) : arg));
    const { code, err } = await diskimg(['compare', ...argv]);
    expect(code).toBe(2);
    expect(err).toMatch(line);
  });

  it('exits with 3 where it cannot be told what is data', async () => {
    const bytes = readFileSync(temp('a.qcow2'));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // Bit 0 of an L1 entry is reserved.
    const l1 = Number(view.getBigUint64(40));
    view.setBigUint64(l1, view.getBigUint64(l1) | 1n);
    writeFileSync(temp('bad-l1.qcow2'), bytes);
    const { code, err } = await diskimg(['compare', temp('a.raw'), temp('bad-l1.qcow2')]);
    expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(/^diskimg: \[.*bad-l1\.qcow2/) });
  });

  it('exits with 4 where data cannot be decoded', async () => {
    writeFileSync(temp('bad-data.qcow2'), withBadPayload(readFileSync(temp('a.qcow2'))));
    const { code, err } = await diskimg(['compare', temp('a.raw'), temp('bad-data.qcow2')]);
    expect({ code, err }).toEqual({ code: 4, err: expect.stringMatching(/^diskimg: \[.*bad-data\.qcow2/) });
  });

  it('has help with examples and exit codes', async () => {
    const { code, out } = await diskimg(['compare', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('\nExamples:\n  diskimg compare');
    expect(out).toContain('Exit codes: 0 same, 1 different');
  });
});
