/** ZVHD and ZVHD2, one field at a time (zvhd.md), with the checksum of the footer computed again. */

import { Buffer } from 'node:buffer';
import { constants, deflateRawSync, deflateSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { GiB, MiB } from '../../src/binary/align.ts';
import { openImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { fillRandom, seededRandom } from '../support/seeded-guest.ts';
import { all, le32, le64, type Poke, type Row, sealLittleEndian, testPokes, u8 } from './poke.ts';

const image = (name: string) => () => fixtureBytes(fixtureNamed(name));

const PAGE = 4096;
const BLOCK = 2 * MiB;

/** A footer at `at`, from the end of the file if negative. */
const footerAt =
  (at: number, poke: Poke): Poke =>
  (bytes) => {
    const start = at < 0 ? bytes.length + at : at;
    const record = bytes.subarray(start, start + 512);
    poke(record);
    sealLittleEndian(record, 64);
    return bytes;
  };

const final = (poke: Poke): Poke => footerAt(-PAGE, poke);
const finalField = (bytes: Buffer, at: number): number =>
  Number(bytes.readBigUInt64LE(bytes.length - PAGE + at));
const indexOffset = (bytes: Buffer): number => finalField(bytes, 96);
const bitmapOffset = (bytes: Buffer): number => finalField(bytes, 104);

/** The footers at both ends. */
const both = (poke: Poke): Poke => all(footerAt(0, poke), footerAt(-PAGE, poke));

/** Blocks 0, 2 and 6 of 7 are stored; the disk has 13 MiB, in a current size of 1 GiB. */
const SMALL = 'zvhd2/small.zlib';

describe('zvhd2: footers', () => {
  testPokes('zvhd2', image(SMALL), [
    ['cookie, initial', 'gone', u8(0, 0), 'wrong-format'],
    ['cookie, final', 'gone', (b) => u8(b.length - PAGE, 0)(b), 'truncated'],
    ['checksum, initial', 'wrong', u8(300, 1), 'bad-checksum'],
    ['checksum, final', 'wrong', (b) => u8(b.length - PAGE + 300, 1)(b), 'bad-checksum'],
    ['original size', '0', final(le64(40, 0)), 'bad-header'],
    ['original size', '513', final(le64(40, 513)), 'bad-header'],
    ['original size', 'over the current size', final(le64(40, GiB + 512)), 'bad-header'],
    ['original size', '2^63', final(le64(40, 2n ** 63n)), 'bad-header'],
    ['current size', '2^63', final(le64(48, 2n ** 63n)), 'bad-header'],
    [
      'original and current size, all footers',
      '2^52',
      both(all(le64(40, 2 ** 52), le64(48, 2 ** 52))),
      'bad-table',
    ],
    ['original size, final', 'not that of the initial footer', final(le64(40, 1536)), 'bad-header'],
    ['unique id, final', 'not that of the initial footer', final(u8(70, 0)), 'bad-header'],
    ['zvhd2 version', '0', final(u8(87, 0)), 'unsupported-version'],
    ['zvhd2 version', '2', final(u8(87, 2)), 'unsupported-version'],
    ['block size', '0', final(le32(88, 0)), 'bad-header'],
    ['block size', '3 MiB, no power of two', final(le32(88, 3 * MiB)), 'bad-header'],
    ['block size', '512 KiB', final(le32(88, MiB / 2)), 'bad-header'],
    ['block size', '64 MiB', final(le32(88, 64 * MiB)), 'bad-header'],
    ['block size', '1 MiB: 7 blocks are too few', final(le32(88, MiB)), 'bad-table'],
    ['max block number', '0', final(le32(92, 0)), 'bad-table'],
    ['max block number', 'one too few', final(le32(92, 6)), 'bad-table'],
    ['max block number', 'more than the current size holds', final(le32(92, 513)), 'bad-table'],
    ['max block number', '2^32 - 1', final(le32(92, 0xffffffff)), 'bad-table'],
    ['index offset', '0: the initial footer', final(le64(96, 0)), 'truncated'],
    ['index offset', 'past the end', final(le64(96, 2 ** 40)), 'truncated'],
    ['index offset', '2^63', final(le64(96, 2n ** 63n)), 'bad-header'],
    ['index offset', 'on the bitmap', (b) => final(le64(96, bitmapOffset(b) - PAGE))(b), 'truncated'],
    ['index offset', 'on the records', (b) => final(le64(96, indexOffset(b) - 3 * PAGE))(b), 'bad-header'],
    ['bitmap offset', '0: the initial footer', final(le64(104, 0)), 'truncated'],
    ['bitmap offset', 'on the final footer', (b) => final(le64(104, b.length - PAGE))(b), 'truncated'],
    ['bitmap offset', 'on the index', (b) => final(le64(104, indexOffset(b)))(b), 'bad-table'],
    ['index size', '2^32 - 1', final(le32(112, 0xffffffff)), 'bad-table'],
    ['index size', '0', final(le32(112, 0)), 'bad-table'],
    ['bitmap size', '8192', final(le32(116, 8192)), 'bad-table'],
    ['index segment size', '4096', final(le32(120, 4096)), 'bad-table'],
    ['bitmap segment size', '0', final(le32(124, 0)), 'bad-table'],
    ['index segment count', '2', final(le32(128, 2)), 'bad-table'],
    ['index segment count', '2^32 - 1', final(le32(128, 0xffffffff)), 'bad-table'],
    ['bitmap segment count', '0', final(le32(132, 0)), 'bad-table'],
    ['non-zero block count', 'not that of the bitmap', final(le32(136, 2)), 'bad-table'],
    ['non-zero block count', 'more than there are blocks', final(le32(136, 8)), 'bad-table'],
    ['index contains zero blocks', '2', final(u8(140, 2)), 'bad-header'],
    ['index contains zero blocks', '1, which this index does not', final(u8(140, 1)), 'bad-reference'],
    ['compression method', '2', final(u8(141, 2)), 'unsupported-feature'],
    ['compression method', 'zstd, but it is zlib', final(u8(141, 1)), 'bad-data'],
  ]);
});

describe('zvhd2: bitmap', () => {
  const bits =
    (value: number, at = 0): Poke =>
    (b) =>
      u8(bitmapOffset(b) + at, value)(b);
  testPokes('zvhd2', image(SMALL), [
    ['bit', 'past the last block', bits(0b11000101), 'bad-table'],
    ['bit', 'far past the last block', bits(1, 4095), 'bad-table'],
    ['bit', 'one more than the footer counts', bits(0b01001101), 'bad-table'],
    ['bit', 'one less', bits(0b01000001), 'bad-table'],
    ['bit', 'another block than the index says', bits(0b01001001), 'bad-reference'],
  ]);
});

describe('zvhd2: index entry', () => {
  const entry = (number: number, poke: (at: number) => Poke): Poke => {
    return (b) => poke(indexOffset(b) + number * 16)(b);
  };
  testPokes('zvhd2', image(SMALL), [
    ['file offset', 'not on a page', entry(0, (at) => le64(at, PAGE + 512)), 'bad-reference'],
    ['file offset', '0', entry(0, (at) => le64(at, 0)), 'bad-reference'],
    ['file offset', 'the record of the entry before', entry(1, (at) => le64(at, PAGE)), 'bad-reference'],
    [
      'file offset',
      'on the middle footer',
      (b) => entry(2, (at) => le64(at, indexOffset(b) - PAGE))(b),
      'truncated',
    ],
    ['file offset', 'past the end', entry(2, (at) => le64(at, 2 ** 40)), 'truncated'],
    ['file offset', '2^63', entry(2, (at) => le64(at, 2n ** 63n)), 'bad-header'],
    ['block number', 'of another block', entry(1, (at) => le32(at + 8, 3)), 'bad-reference'],
    ['record length', '0', entry(0, (at) => le32(at + 12, 0)), 'bad-reference'],
    ['record length', 'no multiple of 4096', entry(0, (at) => le32(at + 12, 4097)), 'bad-reference'],
    ['record length', '2^32 - 4096', entry(0, (at) => le32(at + 12, 2 ** 32 - PAGE)), 'bad-reference'],
    [
      'record length',
      'into the next record',
      entry(0, (at) => (b) => le32(at + 12, b.readUInt32LE(at + 12) + PAGE)(b)),
      'bad-reference',
    ],
    [
      'record length',
      'a page less than the record',
      entry(0, (at) => (b) => le32(at + 12, b.readUInt32LE(at + 12) - PAGE)(b)),
      'bad-reference',
    ],
  ]);

  test('records that share bytes are refused by the index alone, before one is read', async () => {
    const bytes = Buffer.from(image(SMALL)());
    await using opened = await openImage(entry(1, (at) => le64(at, PAGE))(bytes));
    const walk = async () => {
      for await (const extent of opened.extents()) expect(extent.length).toBeGreaterThan(0);
    };
    await expect(walk()).rejects.toMatchObject({
      code: 'bad-reference',
      fileOffset: indexOffset(bytes) + 16,
      guestOffset: 2 * BLOCK,
    });
  });
});

/** The fields of a record, the first one of the file. */
const recordRows: readonly Row[] = [
  ['prefix', 'gone', u8(PAGE, 0), 'bad-reference'],
  ['payload length', '0', le32(PAGE + 12, 0), 'bad-header'],
  ['payload length', '2^32 - 1', le32(PAGE + 12, 0xffffffff), 'bad-header'],
  ['end mark', 'gone', (b) => u8(endOfFirst(b) - 4, 0)(b), 'bad-data'],
  ['payload', 'rubbish', (b) => b.fill(0xee, PAGE + 50, PAGE + 1000), 'bad-data'],
];

const payloadLength = (bytes: Buffer): number => bytes.readUInt32LE(PAGE + 12);
const endOfFirst = (bytes: Buffer): number => PAGE + Math.ceil((48 + payloadLength(bytes) + 4) / PAGE) * PAGE;

/** Another payload for the first record, of another length, but a record of the same length. */
const payload =
  (pack: (bytes: Uint8Array) => Uint8Array, blockLength: number): Poke =>
  (image) => {
    const room = endOfFirst(image) - PAGE - 52;
    // As much noise as fills the record: it hardly gets smaller.
    const block = new Uint8Array(blockLength);
    fillRandom(block.subarray(0, room - 3900), seededRandom(51));
    const packed = pack(block);
    const fits = packed.length <= room && packed.length > room - PAGE;
    if (!fits) throw new Error(`a payload of ${packed.length} bytes does not fill a record of ${room}`);
    image.set(packed, PAGE + 48);
    return le32(PAGE + 12, packed.length)(image);
  };

const sync = { finishFlush: constants.Z_SYNC_FLUSH } as const;
const zlib = (bytes: Uint8Array): Uint8Array => deflateSync(bytes, sync);
const zstd = (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes);

describe('zvhd2: record', () => {
  testPokes('zvhd2', image('zvhd2/last-block.zlib'), [
    ...recordRows,
    ['block number', 'of another block', le32(PAGE + 16, 3), 'bad-reference'],
    ['payload length', 'one page less', (b) => le32(PAGE + 12, payloadLength(b) - PAGE)(b), 'bad-reference'],
    ['payload', 'a byte less than a block', payload(zlib, BLOCK - 1), 'bad-data'],
    ['payload', 'a byte more than a block', payload(zlib, BLOCK + 1), 'bad-data'],
  ]);
  describe('zstd', () => {
    testPokes('zvhd2', image('zvhd2/last-block.zstd'), [
      ...recordRows,
      ['payload', 'a byte less than a block', payload(zstd, BLOCK - 1), 'bad-data'],
      ['payload', 'a byte more than a block', payload(zstd, BLOCK + 1), 'bad-data'],
    ]);
  });
});

/** Blocks 0, 2 and 6 are stored. */
describe('zvhd', () => {
  const second =
    (poke: (at: number) => Poke): Poke =>
    (bytes) =>
      poke(endOfFirst(bytes))(bytes);
  testPokes('zvhd', image('zvhd/small'), [
    ...recordRows,
    ['cookie, first', 'gone', u8(0, 0), 'wrong-format'],
    ['cookie, last', 'gone', (b) => u8(b.length - PAGE, 0)(b), 'truncated'],
    ['checksum, first', 'wrong', u8(300, 1), 'bad-checksum'],
    ['checksum, last', 'wrong', (b) => u8(b.length - PAGE + 300, 1)(b), 'bad-checksum'],
    ['footers', 'of two images', footerAt(-PAGE, u8(70, 0xaa)), 'bad-header'],
    ['original size', '0', both(le64(40, 0)), 'bad-header'],
    ['original size', 'over the current size', both(le64(40, GiB + 512)), 'bad-header'],
    ['current size', '2^63', both(le64(48, 2n ** 63n)), 'bad-header'],
    ['block number', 'after a later one', le32(PAGE + 16, 3), 'bad-reference'],
    ['block number', 'twice', second((at) => le32(at + 16, 0)), 'bad-reference'],
    ['block number', 'past the end of the disk', le32(PAGE + 16, 512), 'bad-reference'],
    ['block number', '2^32 - 1', le32(PAGE + 16, 0xffffffff), 'bad-reference'],
    ['prefix, second record', 'gone', second((at) => u8(at, 0)), 'bad-reference'],
    ['payload length', 'past the data', (b) => le32(PAGE + 12, b.length)(b), 'truncated'],
    ['zlib header', 'gone', u8(PAGE + 48, 0), 'bad-data'],
    ['payload', 'a byte less than a block', payload(zlib, BLOCK - 1), 'bad-data'],
    ['payload', 'a byte more than a block', payload(zlib, BLOCK + 1), 'bad-data'],
    ['payload', 'raw deflate without its header', payload((b) => deflateRawSync(b, sync), BLOCK), 'bad-data'],
  ]);
});
