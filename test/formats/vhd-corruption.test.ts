/** VHD, one field at a time ("Virtual Hard Disk Image Format Specification" 1.0), with its checksums computed again. */

import type { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { beforeAll, describe } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type CreateOptions, convert } from '../../src/index.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { all, be32, be64, testPokes, u8 } from './poke.ts';
import { entry, footers, HEADER_AT, header, lastFooter, TABLE_AT } from './vhd-pokes.ts';

const temp = tempFolder();
const images = new Map<string, Buffer>();

async function make(subformat: NonNullable<CreateOptions<'vhd'>['subformat']>): Promise<void> {
  const path = temp(subformat);
  const guest = seededGuest(9 * MiB, 41);
  await convert(guest, path, { format: 'vhd', options: { subformat }, input: { format: 'raw' } });
  images.set(subformat, readFileSync(path));
}

beforeAll(async () => {
  await make('dynamic');
  await make('fixed');
});

const image = (name: string) => () => images.get(name) as Buffer;

/** In sectors: blocks 0 to 4, each 7 of zeros, a bitmap of 1, 4096 of data; the first bitmap ends a page. */
const BLOCK_SECTORS = 4104;
const FIRST_BLOCK = 15;
const ENTRIES = 5;

describe('footer of a dynamic disk', () => {
  testPokes('vhd', image('dynamic'), [
    ['cookie', 'gone at both ends', footers(u8(0, 0)), 'wrong-format'],
    ['checksum', 'wrong at both ends', all(u8(200, 1), (b) => u8(b.length - 100, 1)(b)), 'bad-checksum'],
    ['file_format_version', '2.0', footers(be32(12, 0x00020000)), 'unsupported-version'],
    ['data_offset', 'not on a sector', footers(be64(16, 513)), 'bad-reference'],
    ['data_offset', 'past the end', footers(be64(16, 2n ** 40n)), 'truncated'],
    ['data_offset', '2^63', footers(be64(16, 2n ** 63n)), 'truncated'],
    ['data_offset', 'all ones, as in a fixed disk', footers(be64(16, 2n ** 64n - 1n)), 'bad-reference'],
    ['data_offset', 'on the table', footers(be64(16, TABLE_AT)), 'bad-header'],
    ['current_size', '0', footers(be64(48, 0)), 'bad-header'],
    ['current_size', '513', footers(be64(48, 513)), 'bad-header'],
    ['current_size', '2^63', footers(be64(48, 2n ** 63n)), 'bad-header'],
    ['current_size', 'more than the table describes', footers(be64(48, 11 * MiB)), 'bad-table'],
    ['disk_type', '4, differencing', footers(be32(60, 4)), 'needs-parent'],
    ['disk_type', '0', footers(be32(60, 0)), 'bad-header'],
    ['disk_type', '5', footers(be32(60, 5)), 'bad-header'],
    ['disk_type', '2^32 - 1', footers(be32(60, 0xffffffff)), 'bad-header'],
  ]);
});

describe('footer of a fixed disk', () => {
  testPokes('vhd', image('fixed'), [
    ['cookie', 'gone', lastFooter(u8(0, 0)), 'wrong-format'],
    ['checksum', 'wrong', (b) => u8(b.length - 100, 1)(b), 'bad-checksum'],
    ['current_size', 'a sector more than there is', lastFooter(be64(48, 9 * MiB + 512)), 'truncated'],
    ['disk_type', '3, without a header', lastFooter(be32(60, 3)), 'bad-reference'],
    ['disk_type', '4, differencing, without a header', lastFooter(be32(60, 4)), 'bad-reference'],
  ]);
});

describe('dynamic disk header', () => {
  testPokes('vhd', image('dynamic'), [
    ['cookie', 'gone', header(u8(0, 0)), 'bad-header'],
    ['checksum', 'wrong', u8(HEADER_AT + 900, 1), 'bad-checksum'],
    ['header_version', '2.0', header(be32(24, 0x00020000)), 'unsupported-version'],
    ['table_offset', 'not on a sector', header(be64(16, TABLE_AT + 4)), 'bad-reference'],
    ['table_offset', 'past the end', header(be64(16, 2 ** 40)), 'truncated'],
    ['table_offset', '2^63', header(be64(16, 2n ** 63n)), 'bad-header'],
    ['max_table_entries', '0', header(be32(28, 0)), 'bad-table'],
    ['max_table_entries', 'one too few', header(be32(28, ENTRIES - 1)), 'bad-table'],
    ['max_table_entries', '2^32 - 1', header(be32(28, 0xffffffff)), 'bad-table'],
    ['block_size', '0', header(be32(32, 0)), 'bad-header'],
    ['block_size', '3 MiB, no power of two', header(be32(32, 3 * MiB)), 'bad-header'],
    ['block_size', '256 bytes', header(be32(32, 256)), 'bad-header'],
    ['block_size', '512 MiB', header(be32(32, 512 * MiB)), 'bad-header'],
    ['block_size', '512 bytes: the table is too short', header(be32(32, 512)), 'bad-table'],
    [
      'block_size',
      '512 bytes, 2^32 - 1 entries',
      header(all(be32(32, 512), be32(28, 0xffffffff))),
      'bad-table',
    ],
  ]);
});

describe('block allocation table', () => {
  testPokes('vhd', image('dynamic'), [
    ['entry 1', 'on block 0', entry(1, FIRST_BLOCK), 'bad-reference'],
    ['entry 1', 'a sector into block 0', entry(1, FIRST_BLOCK + 1), 'bad-reference'],
    ['entry 1', 'a sector before block 2', entry(1, FIRST_BLOCK + 2 * BLOCK_SECTORS - 1), 'bad-reference'],
    ['entry 0', 'on the copy of the footer', entry(0, 0), 'bad-reference'],
    ['entry 0', 'on the header', entry(0, 1), 'bad-reference'],
    ['entry 0', 'on the table', entry(0, 3), 'bad-reference'],
    ['entry 4', 'into the footer', entry(4, FIRST_BLOCK + 4 * BLOCK_SECTORS + 2049), 'bad-reference'],
    ['entry 4', 'past the end', entry(4, FIRST_BLOCK + 5 * BLOCK_SECTORS), 'truncated'],
    ['entry 4', '2^32 - 2', entry(4, 0xfffffffe), 'truncated'],
    ['entry 4', '2^31: it has no sign', entry(4, 2 ** 31), 'truncated'],
  ]);
});
