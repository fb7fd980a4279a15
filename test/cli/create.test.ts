import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

describe('diskimg create', () => {
  it('makes an empty image of the format that the name tells', async () => {
    const { code, out } = await diskimg(['create', temp('a.qcow2'), '1G']);
    expect(code).toBe(0);
    expect(out).toMatch(/a\.qcow2: qcow2, virtual size 1 GiB \(1073741824 bytes\), file \d+ KiB\n$/);
    await using image = await openImage(temp('a.qcow2'));
    expect(image.virtualSize).toBe(2 ** 30);
  });

  it("takes qemu-img's flags, and prints JSON", async () => {
    const flags = ['-f', 'vpc', '-o', 'subformat=fixed', '--output', 'json'];
    const { out } = await diskimg(['create', ...flags, temp('b'), '3M']);
    expect(JSON.parse(out)).toEqual({
      filename: temp('b'),
      format: 'vhd',
      virtualSize: 3 * 2 ** 20,
      fileSize: 3 * 2 ** 20 + 512,
      notes: [],
    });
    expect(statSync(temp('b')).size).toBe(3 * 2 ** 20 + 512);
  });

  it('makes an overlay, and a differencing VHD, as large as what they build on', async () => {
    await diskimg(['create', '-q', temp('base.vhd'), '5M']);
    const { out } = await diskimg(['create', '-b', 'base.vhd', '-F', 'vpc', temp('c.qcow2')]);
    expect(out).toContain('virtual size 5 MiB (5242880 bytes)');
    expect(out).toContain(', over base.vhd\n');
    expect((await diskimg(['create', '-b', 'base.vhd', temp('child.vhd')])).code).toBe(0);
    const info = await diskimg(['info', temp('child.vhd')]);
    expect(info.out).toContain('backing file: ./base.vhd');
  });

  it('is the same with --reproducible', async () => {
    const env = { SOURCE_DATE_EPOCH: '1700000000' };
    for (const name of ['d1.vhd', 'd2.vhd']) {
      await diskimg(['create', '--reproducible', temp(name), '5M'], { env });
    }
    expect(readFileSync(temp('d1.vhd')).equals(readFileSync(temp('d2.vhd')))).toBe(true);
  });

  it.each([
    [['create', 'x.qcow2'], /^diskimg: \[bad-size] No size was given/],
    [['create', 'x.bin', '1G'], /^diskimg: \[bad-option] The name x\.bin does not tell a format/],
    [['create', 'x.qcow2', '1Z'], /Expected a size/],
    [['create', '-b', 'y.raw', 'x.qcow2'], /^diskimg: \[bad-option] The format of the backing file was not/],
    [['create', '-b', 'y.raw', '-F', 'raw', 'x.qcow2'], /^diskimg: \[not-found] There is no file .*y\.raw/],
    [['create', '-u', '-b', 'y', '-F', 'raw', 'x.qcow2'], /^diskimg: \[bad-size] No size was given/],
    [
      ['create', '-b', 'y.raw', '-F', 'raw', 'x.zvhd2'],
      /^diskimg: \[bad-option] zvhd2 images do not build on/,
    ],
    [['create', '-o', 'a=b', 'x.raw', '1M'], /^diskimg: \[bad-option] raw has no option a/],
  ])('refuses %j', async (argv, line) => {
    const { code, err } = await diskimg(argv);
    expect(code).toBe(1);
    expect(err).toMatch(line);
  });

  it('has examples in its help', async () => {
    expect((await diskimg(['create', '--help'])).out).toContain('\nExamples:\n  diskimg create');
  });
});
