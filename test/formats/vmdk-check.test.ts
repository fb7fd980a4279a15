/** What a check finds in a VMDK, finding by finding; and descriptors that are none. */

import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { writableFormatNamed } from '../../src/formats/index.ts';
import { checkImage, openImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { writeImage } from '../support/memory-images.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { testFindings } from './check-pokes.ts';
import { le32, type Poke, testPokes } from './poke.ts';

const SECTOR = 512;
const sparse = () => fixtureBytes(fixtureNamed('vmdk/zeroed-grains'));
const stream = await (async () => {
  const guest = seededGuest(300_032, 5);
  guest.fill(0, 65536, 131072);
  const format = writableFormatNamed('vmdk');
  return (await writeImage({ format, options: { compress: true } }, guest)).bytes;
})();

/** qemu-img's places: both directories, each with its tables behind it. */
const DIRECTORY = 30 * SECTOR;
const TABLE = 31 * SECTOR;
const COPY = 22 * SECTOR;

/** Replaces one text of the descriptor by another, and shifts what is behind it. */
const inDescriptor =
  (was: string, becomes: string): Poke =>
  (image) => {
    const text = image.subarray(SECTOR, 21 * SECTOR).toString('latin1');
    expect(text).toContain(was);
    const changed = Buffer.alloc(20 * SECTOR);
    changed.write(text.replace(was, becomes).replace(/\0+$/, ''), 'latin1');
    image.set(changed, SECTOR);
    return image;
  };

describe('check', () => {
  testFindings(
    'vmdk',
    sparse,
    [
      ['grain size', 'no power of two', le32(20, 129), 'corruption', 'bad-header'],
      ['unclean shutdown', 'open', (image) => image.fill(1, 72, 73), 'warning', 'dirty'],
      ['overhead', 'past the end', le32(64, 1 << 20), 'corruption', 'truncated'],
      ['directory', 'on the descriptor', le32(56, 2), 'corruption', 'overlap'],
      ['capacity', 'less than the descriptor tells', le32(12, 81920 - 128), 'warning', 'bad-header'],
      [
        'descriptor',
        'a key that is not known',
        inDescriptor('version=1', 'version=1\nquux=7'),
        'warning',
        'bad-header',
      ],
    ],
    { beside: ['past-end', 'overlap', 'bad-table', 'unused-space'] },
  );

  testFindings(
    'vmdk',
    sparse,
    [
      ['table', 'past the end', le32(DIRECTORY, 1 << 20), 'corruption', 'past-end'],
      ['grain', 'past the end', le32(TABLE, 1 << 20), 'corruption', 'past-end'],
      ['grain', 'that of another', le32(TABLE, 128), 'corruption', 'overlap'],
      ['grain', 'on the tables', le32(TABLE + 20 * 4, 27), 'corruption', 'overlap'],
      ['copy of a table', 'another entry', le32(COPY + 4, 5), 'warning', 'bad-table'],
    ],
    { beside: ['bad-table'] },
  );

  testFindings(
    'vmdk',
    () => stream,
    [
      ['marker', 'of another grain', le32(65536, 128), 'corruption', 'bad-reference'],
      ['marker', 'a payload of no bytes', le32(65536 + 8, 0), 'corruption', 'bad-header'],
      ['marker', 'a payload that is too long', le32(65536 + 8, 0xffffffff), 'corruption', 'bad-header'],
      ['payload', 'no zlib stream', le32(65536 + 12, 0), 'corruption', 'bad-data'],
      ['end of stream', 'another marker', le32(stream.length - 500, 1), 'corruption', 'truncated'],
    ],
    { data: true },
  );

  it.each(fixtures.filter(({ format }) => format === 'vmdk'))('$file is sound', async (fixture) => {
    const check = await checkImage(fixtureBytes(fixture), { format: 'vmdk', data: true });
    expect(check.findings).toEqual([]);
  });
});

describe('the descriptor', () => {
  testPokes('vmdk', sparse, [
    ['a line', 'that is none', inDescriptor('version=1', 'version=1\n<html>'), 'bad-header'],
    ['an extent', 'of no sectors', inDescriptor('RW 81920', 'RW 0'), 'bad-header'],
    ['CID', 'missing', inDescriptor('\nCID=', '\nddb.x='), 'bad-header'],
    ['CID', 'no number', inDescriptor('\nCID=', '\nCID=q'), 'bad-header'],
    ['createType', 'missing', inDescriptor('createType=', 'ddb.x='), 'bad-header'],
    ['version', '9', inDescriptor('version=1', 'version=9'), 'unsupported-version'],
    ['encryption', 'there', inDescriptor('version=1', 'version=1\nencryption.keySafe = "x"'), 'encrypted'],
    ['descriptor', 'all zeros', (image) => image.fill(0, SECTOR, 21 * SECTOR), 'unsupported-feature'],
    ['descriptor size', 'more than 1 MiB', le32(36, 2049), 'bad-header'],
  ]);

  it('may tell a disk that is no whole grains, where the header rounds it up', async () => {
    const image = inDescriptor('RW 81920', 'RW 81919')(Buffer.from(sparse()));
    await using opened = await openImage(image);
    expect(opened.virtualSize).toBe(81919 * SECTOR);
    expect(opened.notes).toEqual([]);
  });

  it('that tells another disk than the header is noted', async () => {
    const image = inDescriptor('RW 81920', 'RW 1000')(Buffer.from(sparse()));
    await using opened = await openImage(image);
    expect(opened.virtualSize).toBe(81920 * SECTOR);
    expect(opened.notes).toMatchObject([{ code: 'sizes-differ' }]);
  });

  it('of a snapshot names what is missing', async () => {
    const parent = 'parentCID=12345678\nparentFileNameHint="base.vmdk"';
    const image = inDescriptor('parentCID=ffffffff', parent)(Buffer.from(sparse()));
    await expect(openImage(image)).rejects.toMatchObject({
      code: 'needs-parent',
      message: expect.stringContaining('base.vmdk'),
    });
  });

  it('keeps the adapter and the hardware version that were asked for', async () => {
    await using image = await openImage(sparse());
    expect(image.details.specific).toMatchObject({ 'adapter-type': 'lsilogic', 'hardware-version': '13' });
    const format = writableFormatNamed('vmdk');
    const options = { adapterType: 'buslogic', hardwareVersion: 21 };
    await using ours = await openImage((await writeImage({ format, options }, seededGuest(4096, 1))).bytes);
    expect(ours.details.specific).toMatchObject({ 'adapter-type': 'buslogic', 'hardware-version': '21' });
  });
});
