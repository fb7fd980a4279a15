/** What a check finds in a ZVHD or ZVHD2 of which one field is wrong. */

import type { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { checkImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { type CheckRow, testFindings } from './check-pokes.ts';
import { le32, le64, type Poke, sealLittleEndian, u8 } from './poke.ts';

const fixture = (name: string) => () => fixtureBytes(fixtureNamed(name));
const PAGE = 4096;

const final =
  (poke: Poke): Poke =>
  (bytes) => {
    const record = bytes.subarray(-PAGE, -PAGE + 512);
    poke(record);
    sealLittleEndian(record, 64);
    return bytes;
  };
const finalField = (b: Buffer, at: number): number => Number(b.readBigUInt64LE(b.length - PAGE + at));
const index = (b: Buffer): number => finalField(b, 96);
const bitmap = (b: Buffer): number => finalField(b, 104);
/** The second record. */
const second = (b: Buffer): number => PAGE + Math.ceil((b.readUInt32LE(PAGE + 12) + 52) / PAGE) * PAGE;

const records: CheckRow[] = [
  ['end mark', 'gone', (b) => u8(second(b) - 4, 0)(b), 'corruption', 'bad-data'],
  ['prefix', 'gone', u8(PAGE, 0), 'corruption', 'bad-reference'],
  ['payload length', '0', le32(PAGE + 12, 0), 'corruption', 'bad-header'],
];

describe('zvhd', () => {
  const image = fixture('zvhd/small');
  testFindings(
    'zvhd',
    image,
    [
      ['checksum, first', 'wrong', u8(300, 1), 'corruption', 'bad-checksum'],
      ['checksum, last', 'wrong', (b) => u8(b.length - PAGE + 300, 1)(b), 'corruption', 'bad-checksum'],
      ['unique id, last', 'another', final(u8(70, 0xaa)), 'corruption', 'footers-differ'],
      ...records,
      [
        'block number',
        'that of the one before',
        (b) => le32(second(b) + 16, 0)(b),
        'corruption',
        'block-order',
      ],
      ['block number', 'past the disk', (b) => le32(second(b) + 16, 512)(b), 'corruption', 'block-order'],
      [
        'payload length',
        'past the data',
        (b) => le32(second(b) + 12, 4_000_000)(b),
        'corruption',
        'past-end',
      ],
    ],
    { beside: ['block-order'] },
  );
  it('payload: damaged, found with the data only', async () => {
    const bytes = image()
      .slice()
      .fill(0xff, PAGE + 60, PAGE + 90);
    expect((await checkImage(bytes)).findings).toEqual([]);
    const { corruptions, findings } = await checkImage(bytes, { data: true });
    expect(corruptions).toBe(1);
    expect(findings).toMatchObject([
      { code: 'bad-data', severity: 'corruption', fileOffset: PAGE, guestOffset: 0 },
      { code: 'bad-data', severity: 'warning' },
    ]);
  });
  it('cut short: there is no footer at the end', async () => {
    const { findings } = await checkImage(image().subarray(0, 5 * PAGE));
    expect(findings.map(({ code }) => code)).toContain('footer-missing');
  });
});

describe('zvhd2', () => {
  const image = fixture('zvhd2/small.zstd');
  testFindings(
    'zvhd2',
    image,
    [
      ['checksum, initial', 'wrong', u8(300, 1), 'corruption', 'bad-checksum'],
      ['checksum, final', 'wrong', (b) => u8(b.length - PAGE + 300, 1)(b), 'corruption', 'bad-checksum'],
      ['unique id, final', 'another', final(u8(70, 0xaa)), 'corruption', 'bad-header'],
      ['index size', '0', final(le32(112, 0)), 'corruption', 'bad-table'],
      [
        'non-zero blocks',
        'one more',
        (b) => final(le32(136, b.readUInt32LE(b.length - PAGE + 136) + 1))(b),
        'corruption',
        'bad-table',
      ],
      [
        'cookie, middle',
        'gone',
        (b) => u8(Math.min(index(b), bitmap(b)) - PAGE, 0)(b),
        'corruption',
        'footer-missing',
      ],
      [
        'non-zero blocks, middle',
        'none',
        (b) => le32(Math.min(index(b), bitmap(b)) - PAGE + 136, 0)(b),
        'corruption',
        'footers-differ',
      ],
      ['bitmap', 'a bit more', (b) => u8(bitmap(b), 0xff)(b), 'corruption', 'bad-table'],
      ['index entry', 'of another block', (b) => le32(index(b) + 8, 5)(b), 'corruption', 'bad-reference'],
      ['index entry', 'not on a page', (b) => le64(index(b), PAGE + 512)(b), 'corruption', 'unaligned'],
      ['index entry', 'past the data', (b) => le64(index(b), 2 ** 40)(b), 'corruption', 'past-end'],
      ['index entry', 'that of the next block', (b) => le64(index(b) + 16, PAGE)(b), 'corruption', 'overlap'],
      [
        'record length',
        'a page more',
        (b) => le32(index(b) + 12, b.readUInt32LE(index(b) + 12) + PAGE)(b),
        'corruption',
        'bad-reference',
      ],
      ['block number', 'another', le32(PAGE + 16, 9), 'corruption', 'bad-reference'],
      ...records,
    ],
    { beside: ['unused-space', 'overlap', 'bad-reference', 'footer-missing'] },
  );
  it('payload: damaged, found with the data only', async () => {
    const bytes = image()
      .slice()
      .fill(0xff, PAGE + 50, PAGE + 90);
    expect((await checkImage(bytes)).findings).toEqual([]);
    const { findings } = await checkImage(bytes, { data: true });
    expect(findings).toMatchObject([{ code: 'bad-data', fileOffset: PAGE, guestOffset: 0 }]);
  });
});

describe("the vendor's own", () => {
  const sound = fixtures.filter(({ format }) => format === 'zvhd' || format === 'zvhd2');
  it.each(sound.map(({ file }) => file))('%s: nothing wrong', async (file) => {
    expect((await checkImage(fixtureBytes(fixtureNamed(file)), { data: true })).findings).toEqual([]);
  });
});
