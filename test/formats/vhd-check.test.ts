/** What a check finds in a VHD of which one field is wrong. */

import type { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { checkImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { testFindings } from './check-pokes.ts';
import { be32, be64, u8 } from './poke.ts';
import { entry, FOOTER, footers, HEADER_AT, header, lastFooter, TABLE_AT } from './vhd-pokes.ts';

const fixture = (name: string) => () => fixtureBytes(fixtureNamed(`vhd/${name}`));

const entryOf = (b: Buffer, block: number): number => b.readUInt32BE(TABLE_AT + block * 4);

describe('footers', () => {
  testFindings('vhd', fixture('dynamic'), [
    ['cookie, first', 'gone', u8(0, 0), 'corruption', 'footer-missing'],
    ['cookie, last', 'gone', (b) => u8(b.length - FOOTER, 0)(b), 'corruption', 'footer-missing'],
    ['checksum, first', 'wrong', u8(100, 1), 'corruption', 'bad-checksum'],
    ['checksum, last', 'wrong', (b) => u8(b.length - FOOTER + 100, 1)(b), 'corruption', 'bad-checksum'],
    ['unique id, last', 'another', lastFooter(u8(70, 0xaa)), 'corruption', 'footers-differ'],
    ['version', '2.0', footers(be32(12, 0x20000)), 'corruption', 'bad-header'],
    ['disk type', '5', footers(be32(60, 5)), 'corruption', 'bad-header'],
    ['data offset', 'not on a sector', footers(be64(16, 513)), 'corruption', 'bad-reference'],
    ['data offset', 'past the end', footers(be64(16, 2 ** 40)), 'corruption', 'bad-reference'],
  ]);
  testFindings('vhd', fixture('fixed-force-size'), [
    ['current size', 'more than there is', lastFooter(be64(48, 2 ** 30)), 'corruption', 'truncated'],
  ]);
  it('needs one that holds', async () => {
    const image = fixture('fixed')().slice();
    image[image.length - 300] = 1;
    await expect(checkImage(image)).rejects.toMatchObject({ code: 'bad-checksum' });
  });
});

describe('dynamic header', () => {
  testFindings('vhd', fixture('dynamic'), [
    ['cookie', 'gone', header(u8(0, 0)), 'corruption', 'bad-header'],
    ['checksum', 'wrong', u8(HEADER_AT + 1000, 1), 'corruption', 'bad-checksum'],
    ['version', '2.0', header(be32(24, 0x20000)), 'corruption', 'bad-header'],
    ['block size', '0', header(be32(32, 0)), 'corruption', 'bad-header'],
    ['max table entries', '1', header(be32(28, 1)), 'corruption', 'bad-table'],
  ]);
  testFindings(
    'vhd',
    fixture('dynamic'),
    [
      ['max table entries', '2^32 - 1', header(be32(28, 0xffffffff)), 'corruption', 'truncated'],
      ['table offset', 'the header', header(be64(16, HEADER_AT)), 'corruption', 'overlap'],
    ],
    { beside: ['overlap', 'past-end', 'unused-space', 'sector-bitmap'] },
  );
});

describe('block allocation table', () => {
  testFindings(
    'vhd',
    fixture('dynamic'),
    [
      ['entry', 'past the end', entry(0, 0x7fffffff), 'corruption', 'past-end'],
      ['entry', 'the header', entry(0, 1), 'corruption', 'overlap'],
      ['entry', 'that of another block', (b) => entry(0, entryOf(b, 1))(b), 'corruption', 'overlap'],
      [
        'entry',
        'a sector into another block',
        (b) => entry(0, entryOf(b, 1) + 1)(b),
        'corruption',
        'overlap',
      ],
      [
        'sector bitmap',
        'a bit is clear',
        (b) => u8(entryOf(b, 0) * 512, 0x7f)(b),
        'warning',
        'sector-bitmap',
      ],
    ],
    { beside: ['sector-bitmap'] },
  );
});

describe('differencing', () => {
  testFindings('vhd', fixture('differencing'), [
    ["parent's name", 'past the end', header(be64(576 + 16, 2 ** 40)), 'corruption', 'past-end'],
  ]);
});

describe('made by others', () => {
  const sound = fixtures.filter(({ file }) => file.startsWith('vhd/') && !/damaged|truncated/.test(file));
  it.each(sound.map(({ file }) => file))('%s: nothing wrong', async (file) => {
    expect((await checkImage(fixtureBytes(fixtureNamed(file)))).findings).toEqual([]);
  });
});
