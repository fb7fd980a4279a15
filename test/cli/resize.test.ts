import { describe, expect, it } from 'vitest';
import { openImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const make = (name: string, size: string) => diskimg(['create', '-q', temp(name), size]);

describe('diskimg resize', () => {
  it('makes a disk larger, to a size or by one', async () => {
    await make('a.qcow2', '1G');
    const { code, out } = await diskimg(['resize', temp('a.qcow2'), '3G']);
    expect({ code, out }).toEqual({
      code: 0,
      out: `${temp('a.qcow2')}: virtual size 1 GiB → 3 GiB (3221225472 bytes)\n`,
    });
    await diskimg(['resize', '-q', temp('a.qcow2'), '+512M']);
    await using image = await openImage(temp('a.qcow2'));
    expect(image.virtualSize).toBe(3.5 * 2 ** 30);
    expect((await diskimg(['resize', temp('a.qcow2'), '+0'])).out).toContain('the disk has 3.5 GiB');
  });

  it('prints JSON', async () => {
    await make('b.raw', '1M');
    const { out } = await diskimg(['resize', '-f', 'raw', '--output', 'json', temp('b.raw'), '+1']);
    expect(JSON.parse(out)).toEqual({
      filename: temp('b.raw'),
      format: 'raw',
      previousVirtualSize: 2 ** 20,
      virtualSize: 2 ** 20 + 1,
      notes: [],
    });
  });

  it.each([
    [
      'c.raw',
      '1M',
      /^diskimg: \[bad-size] The disk has 2097152 bytes, .* Convert it: diskimg convert --size 1048576/,
    ],
    ['c.zvhd2', '3G', /^diskimg: \[unsupported-feature] A zvhd2 image cannot .* diskimg convert --size/],
    ['c.raw', '3X', /Expected a size such as 40G, or \+10G/],
  ])('refuses %s to %s', async (name, size, line) => {
    await make(name, '2M');
    const { code, err } = await diskimg(['resize', temp(name), size]);
    expect(code).toBe(1);
    expect(err).toMatch(line);
  });

  it('explains itself, with examples', async () => {
    const { out } = await diskimg(['resize', '--help']);
    expect(out).toContain('as far as its block table has room');
    expect(out).toContain('\nExamples:\n  diskimg resize');
  });
});
