import { describe, expect, it } from 'vitest';
import { measure } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixturePath } from '../support/fixtures.ts';

const debian = fixturePath('qcow2/debian-disk.qcow2');

describe('diskimg measure', () => {
  it('prints what the library says, as JSON', async () => {
    const flags = ['-O', 'qcow2', '-o', 'cluster_size=4k', '--scan', '--output', 'json'];
    const { code, out } = await diskimg(['measure', ...flags, debian]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(
      await measure(debian, { format: 'qcow2', options: { clusterSize: 4096 }, scan: true }),
    );
  });

  it('measures an empty disk, for people', async () => {
    const { out } = await diskimg(['measure', '-O', 'vpc', '-o', 'subformat=fixed', '--size', '1G']);
    expect(out).toBe('required size: 1073742336 (1 GiB)\nfully allocated size: 1073742336 (1 GiB)\n');
  });

  it('says when the size is only a bound', async () => {
    expect((await diskimg(['measure', '-O', 'zvhd2', debian])).out).toMatch(
      /^required size: \d+ \(.*, at most\)/,
    );
  });

  it.each([
    [['measure', debian], /required option '-O, --output-format/],
    [['measure', '-O', 'raw'], /^diskimg: \[bad-option] Neither an image nor a size/],
    [['measure', '-O', 'raw', '--size', 'original'], /^diskimg: \[bad-option] Neither an image nor a size/],
    [['measure', '-O', 'raw', '-o', 'a=b', debian], /^diskimg: \[bad-option] raw has no option a/],
  ])('refuses %j', async (argv, line) => {
    const { code, err } = await diskimg(argv);
    expect(code).toBe(1);
    expect(err).toMatch(line);
  });

  it('explains itself, with examples', async () => {
    const { out } = await diskimg(['measure', '--help']);
    expect(out).toContain('exact with --scan');
    expect(out).toContain('\nExamples:\n  diskimg measure');
  });
});
