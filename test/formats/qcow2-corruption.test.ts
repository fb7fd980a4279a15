/**
 * qcow2, one field at a time (`docs/interop/qcow2.txt`): every limit is enforced before anything is allocated, every
 * reserved bit refuses, every reference stays inside the file.
 */

import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { type CreateOptions, convert, openImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { all, be32, be64, type Poke, type Row, testPokes, u8 } from './poke.ts';

const temp = tempFolder();
const CLUSTER = 64 * KiB;
const images = new Map<string, Buffer>();

async function make(name: string, options: CreateOptions<'qcow2'>): Promise<void> {
  const path = temp(name);
  const guest = seededGuest(2 * MiB + 512, 31);
  guest.fill('every cluster can be made smaller ', 0, 1 * MiB);
  await convert(guest, path, { format: 'qcow2', options, input: { format: 'raw' } });
  images.set(name, readFileSync(path));
}

beforeAll(async () => {
  await make('plain', {});
  await make('version 2', { compat: '0.10' });
  await make('clusters of 4 KiB', { clusterSize: 4 * KiB });
  await make('zlib', { compress: true });
  await make('zstd', { compress: true, compressionType: 'zstd' });
});

const image = (name: string) => () => images.get(name) as Buffer;
const fixture = (name: string) => () => fixtureBytes(fixtureNamed(name));

const l1Offset = (bytes: Buffer): number => Number(bytes.readBigUInt64BE(40));
const snapshotTable = (bytes: Buffer): number => Number(bytes.readBigUInt64BE(64));
/** The flags of an entry are its upper 8 bits. */
const offsetOf = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64BE(at) % 2n ** 56n);
const l2Offset = (bytes: Buffer): number => offsetOf(bytes, l1Offset(bytes));

/** Changes an entry, given as it is. */
const l1Entry =
  (change: (entry: bigint, size: bigint) => bigint): Poke =>
  (bytes) =>
    be64(l1Offset(bytes), change(bytes.readBigUInt64BE(l1Offset(bytes)), BigInt(bytes.length)))(bytes);

const l2Entry =
  (change: (entry: bigint, size: bigint) => bigint): Poke =>
  (bytes) =>
    be64(l2Offset(bytes), change(bytes.readBigUInt64BE(l2Offset(bytes)), BigInt(bytes.length)))(bytes);

const pastEnd = (size: number | bigint): bigint =>
  ((BigInt(size) + BigInt(CLUSTER) - 1n) / BigInt(CLUSTER)) * BigInt(CLUSTER);

describe('header', () => {
  testPokes('qcow2', image('plain'), [
    ['magic', 'QFI\\xfa', u8(3, 0xfa), 'wrong-format'],
    ['version', '1', be32(4, 1), 'unsupported-version'],
    ['version', '4', be32(4, 4), 'unsupported-version'],
    ['backing_file_offset', 'past the first cluster', all(be64(8, CLUSTER), be32(16, 9)), 'bad-header'],
    ['backing_file_offset', '2^63', be64(8, 2n ** 63n), 'bad-header'],
    ['backing_file_size', '1024 bytes', all(be64(8, 512), be32(16, 1024)), 'bad-header'],
    ['backing_file_size', '2^32 - 1', all(be64(8, 512), be32(16, 0xffffffff)), 'bad-header'],
    ['cluster_bits', '8', be32(20, 8), 'bad-header'],
    ['cluster_bits', '22', be32(20, 22), 'bad-header'],
    ['cluster_bits', '2^32 - 1', be32(20, 0xffffffff), 'bad-header'],
    ['size', '2^63', be64(24, 2n ** 63n), 'bad-header'],
    ['size', '2^53 - 512: the L1 table cannot reach that far', be64(24, 2n ** 53n - 512n), 'bad-table'],
    ['crypt_method', '1, AES', be32(32, 1), 'encrypted'],
    ['crypt_method', '2, LUKS, without its header', be32(32, 2), 'bad-header'],
    ['crypt_method', '3, which is none', be32(32, 3), 'unsupported-feature'],
    ['l1_size', '0', be32(36, 0), 'bad-table'],
    ['l1_size', '2^32 - 1', be32(36, 0xffffffff), 'bad-table'],
    ['l1_size', '2^22 + 1: 8 bytes over 32 MiB', be32(36, 2 ** 22 + 1), 'bad-table'],
    ['l1_size', '2^22: allowed, but not in this file', be32(36, 2 ** 22), 'truncated'],
    ['l1_table_offset', 'not on a cluster', be64(40, CLUSTER + 512), 'bad-reference'],
    ['l1_table_offset', 'past the end', (b) => be64(40, pastEnd(b.length))(b), 'truncated'],
    ['l1_table_offset', '2^63', be64(40, 2n ** 63n), 'bad-header'],
    ['refcount_table_offset', '0', be64(48, 0), 'bad-reference'],
    ['refcount_table_offset', 'not on a cluster', be64(48, CLUSTER + 8), 'bad-reference'],
    ['refcount_table_offset', 'past the end', (b) => be64(48, pastEnd(b.length))(b), 'truncated'],
    ['refcount_table_clusters', '0', be32(56, 0), 'bad-table'],
    ['refcount_table_clusters', '2^31', be32(56, 2 ** 31), 'bad-table'],
    ['refcount_table_clusters', '129: over 8 MiB', be32(56, 129), 'bad-table'],
    ['refcount_table_clusters', '128: allowed, but not in this file', be32(56, 128), 'truncated'],
    ['nb_snapshots', '65537', be32(60, 65537), 'bad-table'],
    ['nb_snapshots', '2^32 - 1', be32(60, 0xffffffff), 'bad-table'],
    [
      'nb_snapshots',
      '1, but the table is past the end',
      (b) => all(be32(60, 1), be64(64, pastEnd(b.length)))(b),
      'truncated',
    ],
    ['snapshots_offset', 'not on a cluster', all(be32(60, 1), be64(64, 4096)), 'bad-reference'],
  ]);
});

describe('header of version 3', () => {
  const extension = (type: number, length: number): Poke => all(be32(112, type), be32(116, length));

  testPokes('qcow2', image('plain'), [
    ['incompatible_features', 'bit 1, corrupt', u8(79, 2), 'marked-corrupt'],
    ['incompatible_features', 'bit 2, data file', u8(79, 4), 'needs-data-file'],
    ['incompatible_features', 'bit 5', u8(79, 32), 'unsupported-feature'],
    ['incompatible_features', 'bit 31', u8(76, 0x80), 'unsupported-feature'],
    ['incompatible_features', 'bit 32', u8(75, 1), 'unsupported-feature'],
    ['incompatible_features', 'bit 63', u8(72, 0x80), 'unsupported-feature'],
    ['refcount_order', '7', be32(96, 7), 'bad-header'],
    ['refcount_order', '2^32 - 1', be32(96, 0xffffffff), 'bad-header'],
    ['header_length', '0', be32(100, 0), 'bad-header'],
    ['header_length', '96', be32(100, 96), 'bad-header'],
    ['header_length', '108, no multiple of 8', be32(100, 108), 'bad-header'],
    ['header_length', 'more than a cluster', be32(100, CLUSTER + 8), 'bad-header'],
    ['header_length', '2^32 - 8', be32(100, 2 ** 32 - 8), 'bad-header'],
    ['compression_type', '2', all(u8(79, 8), u8(104, 2)), 'unsupported-feature'],
    ['compression_type', '255', all(u8(79, 8), u8(104, 255)), 'unsupported-feature'],
    ['compression_type', '1, but the feature bit is clear', u8(104, 1), 'bad-header'],
    ['compression_type', '0, but the feature bit is set', u8(79, 8), 'bad-header'],
    ['compression_type', 'missing, but the feature bit is set', all(u8(79, 8), be32(100, 104)), 'bad-header'],
    ['extension length', '2^32 - 1', extension(0x12345678, 0xffffffff), 'truncated'],
    ['extension length', 'a byte past the first cluster', extension(0x12345678, CLUSTER - 119), 'truncated'],
    ['feature name table', '2^32 - 1', extension(0x6803f857, 0xffffffff), 'truncated'],
  ]);
  testPokes('qcow2', image('clusters of 4 KiB'), [
    ['incompatible_features', 'extended L2 in clusters of 4 KiB', u8(79, 16), 'bad-header'],
  ]);

  test('a feature that the image names is called by that name', async () => {
    const bytes = Buffer.from(fixtureBytes(fixtureNamed('qcow2/v3')));
    const table = bytes.indexOf(Buffer.from('6803f857', 'hex')) + 8;
    bytes.writeUInt8(40, table + 1);
    bytes.write('time travel\0', table + 2);
    bytes.writeUInt8(1, 72 + 2);
    await expect(openImage(bytes)).rejects.toThrow('features that are not known: time travel');
  });
});

describe('L1 entry', () => {
  testPokes('qcow2', image('plain'), [
    ['reserved bits', 'bit 0', l1Entry((entry) => entry | 1n), 'bad-table'],
    ['reserved bits', 'bit 8', l1Entry((entry) => entry | 256n), 'bad-table'],
    ['reserved bits', 'bit 56', l1Entry((entry) => entry | (1n << 56n)), 'bad-table'],
    ['reserved bits', 'bit 62', l1Entry((entry) => entry | (1n << 62n)), 'bad-table'],
    ['offset', 'not on a cluster', l1Entry((entry) => entry + 512n), 'bad-reference'],
    ['offset', 'past the end', l1Entry((_, size) => pastEnd(size)), 'truncated'],
    ['offset', '2^56 - 2^16', l1Entry(() => 2n ** 56n - 2n ** 16n), 'truncated'],
  ]);
});

describe('L2 entry', () => {
  testPokes('qcow2', image('plain'), [
    ['reserved bits', 'bit 1', l2Entry((entry) => entry | 2n), 'bad-table'],
    ['reserved bits', 'bit 8', l2Entry((entry) => entry | 256n), 'bad-table'],
    ['reserved bits', 'bit 56', l2Entry((entry) => entry | (1n << 56n)), 'bad-table'],
    ['reserved bits', 'bit 61', l2Entry((entry) => entry | (1n << 61n)), 'bad-table'],
    ['offset', 'not on a cluster', l2Entry((entry) => entry + 512n), 'bad-reference'],
    ['offset', 'past the end', l2Entry((_, size) => pastEnd(size)), 'truncated'],
    ['offset', '2^56 - 2^16', l2Entry(() => 2n ** 56n - 2n ** 16n), 'truncated'],
  ]);
  testPokes('qcow2', image('version 2'), [
    ['zero flag', 'set in version 2, which has none', l2Entry((entry) => entry | 1n), 'bad-table'],
  ]);
});

describe('extended L2 entry', () => {
  const bitmap = (zeros: number, allocated: number): Poke => {
    return (b) => all(be32(l2Offset(b) + 8, zeros), be32(l2Offset(b) + 12, allocated))(b);
  };
  testPokes('qcow2', fixture('qcow2/extended-l2'), [
    ['zero flag', 'set, where bitmaps say it', l2Entry((entry) => entry | 1n), 'bad-table'],
    ['subclusters', 'allocated and zero', bitmap(1, 1), 'bad-table'],
    [
      'subclusters',
      'allocated, but the cluster is not',
      all(
        l2Entry(() => 0n),
        bitmap(0, 1),
      ),
      'bad-reference',
    ],
    [
      'offset',
      'past the end',
      all(
        l2Entry((_, size) => pastEnd(size)),
        bitmap(0, 1),
      ),
      'truncated',
    ],
  ]);
});

describe('compressed cluster descriptor', () => {
  /** For clusters of 64 KiB the offset has 54 bits, the number of further sectors 8. */
  const OFFSET = 2n ** 54n - 1n;
  const SECTORS = 255n << 54n;
  const at = (offset: bigint): Poke => l2Entry((entry) => (entry & ~OFFSET) | offset);
  /** Puts a payload where the first cluster's stands; the new one must not be larger. */
  const payload =
    (bytes: Uint8Array): Poke =>
    (b) => {
      b.set(bytes, Number(b.readBigUInt64BE(l2Offset(b)) & OFFSET));
      return b;
    };
  const zeros = (length: number) => new Uint8Array(length);

  const rows: Row[] = [
    ['offset', '0: the header is no payload', at(0n), 'bad-reference'],
    ['offset', 'past the end', l2Entry((entry, size) => (entry & ~OFFSET) | size), 'truncated'],
    ['offset', '2^54 - 1', at(OFFSET), 'truncated'],
    [
      'further sectors',
      'past the end',
      l2Entry((_, size) => (1n << 62n) | SECTORS | (size - 512n)),
      'truncated',
    ],
    ['payload', 'rubbish', payload(Buffer.alloc(60, 0xee)), 'bad-data'],
  ];
  describe('zlib', () => {
    testPokes('qcow2', image('zlib'), [
      ...rows,
      ['payload', 'one byte less than a cluster', payload(deflateRawSync(zeros(CLUSTER - 1))), 'bad-data'],
      ['payload', 'one byte more than a cluster', payload(deflateRawSync(zeros(CLUSTER + 1))), 'bad-data'],
      ['payload', 'a bomb of 64 MiB', bomb((bytes) => deflateRawSync(bytes)), 'bad-data'],
      ['payload', 'an empty stream', payload(deflateRawSync(zeros(0))), 'bad-data'],
      [
        'payload',
        'a stream that does not end',
        payload(deflateRawSync(zeros(CLUSTER), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, 40)),
        'bad-data',
      ],
    ]);
  });
  describe('zstd', () => {
    testPokes('qcow2', image('zstd'), [
      ...rows,
      ['payload', 'one byte less than a cluster', payload(zstdCompressSync(zeros(CLUSTER - 1))), 'bad-data'],
      ['payload', 'one byte more than a cluster', payload(zstdCompressSync(zeros(CLUSTER + 1))), 'bad-data'],
      ['payload', 'a bomb of 64 MiB', bomb((bytes) => zstdCompressSync(bytes)), 'bad-data'],
      ['payload', 'an empty frame', payload(zstdCompressSync(zeros(0))), 'bad-data'],
      ['payload', 'a window of 2^41 bytes', payload(Buffer.from('28b52ffd00ff010000', 'hex')), 'bad-data'],
    ]);
  });

  /** A payload at the end of the file, of which the entry says as much as it can. */
  function bomb(pack: (bytes: Uint8Array) => Buffer): Poke {
    return (b) => {
      const packed = pack(zeros(64 * MiB));
      const whole = Buffer.concat([b, packed, Buffer.alloc(256 * 512)]);
      l2Entry(() => (1n << 62n) | SECTORS | BigInt(b.length))(whole);
      return whole;
    };
  }
});

describe('snapshot table', () => {
  const field =
    (poke: (at: number) => Poke): Poke =>
    (bytes) =>
      poke(snapshotTable(bytes))(bytes);
  testPokes('qcow2', fixture('qcow2/snapshots'), [
    ['nb_snapshots', '65536 where there are 2', be32(60, 65536), 'bad-table'],
    ['l1_table_offset', 'not on a cluster', field((at) => be64(at, 512)), 'bad-reference'],
    ['l1_table_offset', 'past the end', (b) => field((at) => be64(at, pastEnd(b.length)))(b), 'truncated'],
    ['l1_size', '2^32 - 1', field((at) => be32(at + 8, 0xffffffff)), 'bad-table'],
    ['extra_data_size', '2^32 - 1', field((at) => be32(at + 36, 0xffffffff)), 'bad-table'],
    ['extra_data_size', '1025', field((at) => be32(at + 36, 1025)), 'bad-table'],
  ]);
});
