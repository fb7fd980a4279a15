import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const disk = seededGuest(2 * MiB + 1536, 5);

beforeAll(async () => {
  writeFileSync(temp('a.raw'), disk);
  await convert(temp('a.raw'), temp('a.qcow2'), { format: 'qcow2' });
  await convert(temp('a.raw'), temp('a.zvhd2'), { format: 'zvhd2' });
});

describe('diskimg digest', () => {
  it('prints the digest and nothing else, so that two can be compared', async () => {
    const { code, out, err } = await diskimg(['digest', temp('a.qcow2')]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^diskimg-1:[0-9a-f]{64}\n$/);
    expect((await diskimg(['digest', '-f', 'raw', '-m', '2', temp('a.raw')])).out).toBe(out);
    expect((await diskimg(['digest', '--size', 'original', temp('a.zvhd2')])).out).toBe(out);
    expect((await diskimg(['digest', temp('a.zvhd2')])).out).not.toBe(out);
  });

  it('computes what sha256sum does', async () => {
    const { out } = await diskimg(['digest', '--algorithm', 'sha256', temp('a.qcow2')]);
    expect(out).toBe(`sha256:${sha256(disk)}\n`);
  });

  it('shows its progress', async () => {
    const { out, err } = await diskimg(['digest', '--progress', 'json', temp('a.qcow2')]);
    const events = err.trim().split('\n');
    expect(events.map((line) => JSON.parse(line)).slice(-2)).toEqual([
      { event: 'progress', doneBytes: disk.length, totalBytes: disk.length, elapsedMs: expect.any(Number) },
      expect.objectContaining({ event: 'done', digest: out.trim() }),
    ]);
    expect((await diskimg(['digest', '-p', temp('a.qcow2')])).err).toMatch(/100 %\n$/);
  });

  it('says the same as JSON', async () => {
    const { out } = await diskimg(['digest', '--output', 'json', temp('a.qcow2')]);
    expect(JSON.parse(out)).toEqual({
      filename: temp('a.qcow2'),
      format: 'qcow2',
      virtualSize: disk.length,
      digest: expect.stringMatching(/^diskimg-1:[0-9a-f]{64}$/),
      notes: [],
    });
  });

  it.each([
    ['a missing image', ['no-such'], /^diskimg: \[not-found]/],
    [
      'an algorithm that it does not know',
      ['--algorithm', 'md5', 'x'],
      /Allowed choices are diskimg, sha256/,
    ],
    ['a size that cuts data off', ['--size', `${64 * KiB}`, temp('a.raw')], /^diskimg: \[data-past-size]/],
  ])('refuses %s', async (_, args, line) => {
    const { code, out, err } = await diskimg(['digest', ...args]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(line);
  });
});
