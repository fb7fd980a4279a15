/** `diskimg info --disk`: the table for people, and the same as JSON. */

import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { inspectImage } from '../../src/index.ts';
import { diskimg } from '../support/command.ts';
import { fixtureBytes } from '../support/fixtures.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

function mbrDisk(): string {
  const path = temp('mbr.raw');
  writeFileSync(path, fixtureBytes({ file: 'raw/mbr-disk.raw.gz' }));
  return path;
}

it('prints partitions and what fills them', async () => {
  const { code, out } = await diskimg(['info', '--disk', mbrDisk()]);
  expect(code).toBe(0);
  expect(out.split('\n').slice(4)).toEqual([
    'disk: MBR 0x0ddba11e, sectors of 512 bytes',
    '  no  start  size   type   content',
    '  1*  1 MiB  3 MiB  FAT32  fat12 "DATA" D15C-0002',
    '  2   4 MiB  4 MiB  Linux  ext2 "data" 0ddba11e-0000-4000-8000-000000000012',
    'boots: no loader was found',
    '',
  ]);
});

it('prints what the library says, as JSON', async () => {
  const path = mbrDisk();
  const { code, out } = await diskimg(['info', '--disk', '--output', 'json', path]);
  const { info, contents } = await inspectImage(path);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ ...info, 'disk-contents': JSON.parse(JSON.stringify(contents)) });
});

it('tells what it did not read', async () => {
  const { code, out } = await diskimg(['info', '--disk', '--max-read', '64k', mbrDisk()]);
  expect(code).toBe(0);
  expect(out).toMatch(/^not looked at: the contents of partition 2: /m);
  const less = await diskimg(['info', '--disk', '--max-read', '4k', mbrDisk()]);
  expect(less.out).toContain('disk: its partition table was not looked at\n');
});

it('sends no characters of a label that a terminal obeys', async () => {
  const disk = Buffer.alloc(MiB);
  disk.write('XFSB');
  disk.write('\x1b[31mred', 108);
  writeFileSync(temp('label.raw'), disk);
  const { out } = await diskimg(['info', '--disk', temp('label.raw')]);
  expect(out).toContain('red');
  expect(out).not.toContain('\x1b');
});

it.each([0, -1, 1.5, Number.NaN])('a limit of %d bytes is refused', async (maxReadBytes) => {
  await expect(inspectImage(new Uint8Array(1024), { maxReadBytes })).rejects.toMatchObject({
    code: 'bad-option',
  });
});
