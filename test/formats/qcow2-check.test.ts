/** What a check finds in a qcow2 of which one field is wrong. */

import { Buffer } from 'node:buffer';
import { describe, expect, it, test } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { checkImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { type CheckRow, testFindings } from './check-pokes.ts';
import { all, be32, be64, type Poke, u8 } from './poke.ts';

const fixture = (name: string) => () => fixtureBytes(fixtureNamed(`qcow2/${name}`));

const OFFSET = 0x00fffffffffffe00n;
const COPIED = 1n << 63n;
const clusterSize = (b: Buffer): number => 2 ** b.readUInt32BE(20);
const offsetAt = (b: Buffer, at: number): number => Number(b.readBigUInt64BE(at) & OFFSET);
const l1 = (b: Buffer): number => offsetAt(b, 40);
const l2 = (b: Buffer): number => offsetAt(b, l1(b));
const refcountTable = (b: Buffer): number => offsetAt(b, 48);
const refcountBlock = (b: Buffer): number => offsetAt(b, refcountTable(b));
const snapshotTable = (b: Buffer): number => offsetAt(b, 64);
/** The first entry of the first L2 table, from the given place on, that has a cluster. */
const entryAt = (b: Buffer, from = l2(b)): number => {
  for (let at = from; ; at += 8) if (offsetAt(b, at) !== 0) return at;
};

const entry =
  (place: (b: Buffer) => number, change: (value: bigint, b: Buffer) => bigint): Poke =>
  (b) =>
    be64(place(b), BigInt.asUintN(64, change(b.readBigUInt64BE(place(b)), b)))(b);

const l1Entry = (change: (value: bigint, b: Buffer) => bigint): Poke => entry(l1, change);
const l2Entry = (change: (value: bigint, b: Buffer) => bigint): Poke => entry(entryAt, change);

/** Sets a refcount of 16 bits. */
const refcount =
  (place: (b: Buffer) => number, value: number): Poke =>
  (b) => {
    b.writeUInt16BE(value, refcountBlock(b) + 2 * Math.floor(place(b) / clusterSize(b)));
    return b;
  };
const dataCluster = (b: Buffer): number => offsetAt(b, entryAt(b));
const pastEnd = (b: Buffer): bigint => BigInt(Math.ceil(b.length / clusterSize(b)) * clusterSize(b));

/** What follows when clusters are no longer referred to. */
const LEAKS = { beside: ['leaked-cluster', 'copied-flag'] } as const;
/** What follows when refcounts are not where they were. */
const NO_REFCOUNTS = { beside: ['refcount-too-low', 'copied-flag', 'leaked-cluster', 'past-end'] } as const;

describe('header', () => {
  testFindings('qcow2', fixture('v3'), [
    ['incompatible_features', 'dirty', u8(79, 1), 'warning', 'dirty'],
    ['incompatible_features', 'corrupt', u8(79, 2), 'warning', 'marked-corrupt'],
  ]);
  testFindings(
    'qcow2',
    fixture('v3'),
    [
      ['l1_size', '0', be32(36, 0), 'corruption', 'bad-table'],
      ['l1_size', 'over 32 MiB', be32(36, 2 ** 22 + 1), 'corruption', 'bad-table'],
      [
        'l1_table_offset',
        'not on a cluster',
        entry(
          () => 40,
          (v) => v + 512n,
        ),
        'corruption',
        'unaligned',
      ],
      [
        'l1_table_offset',
        'past the end',
        entry(
          () => 40,
          (_, b) => pastEnd(b),
        ),
        'corruption',
        'past-end',
      ],
      ['l1_table_offset', 'the header', be64(40, 0), 'corruption', 'overlap'],
    ],
    {
      beside: ['leaked-cluster', 'refcount-too-low', 'reserved-bits', 'past-end', 'unaligned', 'copied-flag'],
    },
  );
  testFindings(
    'qcow2',
    fixture('v3'),
    [
      ['refcount_table_offset', '0', be64(48, 0), 'corruption', 'unaligned'],
      [
        'refcount_table_offset',
        'past the end',
        entry(
          () => 48,
          (_, b) => pastEnd(b),
        ),
        'corruption',
        'past-end',
      ],
      ['refcount_table_clusters', '0', be32(56, 0), 'corruption', 'bad-table'],
      ['refcount_table_clusters', '129: over 8 MiB', be32(56, 129), 'corruption', 'bad-table'],
      ['refcount table entry', '0', (b) => be64(refcountTable(b), 0)(b), 'corruption', 'refcount-too-low'],
      [
        'refcount table entry',
        'reserved bit',
        entry(refcountTable, (v) => v | 1n),
        'corruption',
        'reserved-bits',
      ],
      [
        'refcount table entry',
        'not on a cluster',
        entry(refcountTable, (v) => v + 512n),
        'corruption',
        'unaligned',
      ],
      [
        'refcount table entry',
        'past the end',
        entry(refcountTable, (_, b) => pastEnd(b)),
        'corruption',
        'past-end',
      ],
      [
        'refcount table entry',
        'the L1 table',
        entry(refcountTable, (_, b) => BigInt(l1(b))),
        'corruption',
        'overlap',
      ],
    ],
    { beside: [...NO_REFCOUNTS.beside, 'overlap', 'refcount-past-end', 'bad-table', 'reserved-bits'] },
  );
  test.each<[string, Poke, string]>([
    ['a version that is not known', be32(4, 4), 'unsupported-version'],
    ['an unknown feature', u8(78, 1), 'unsupported-feature'],
    ['no clusters', be32(20, 3), 'bad-header'],
    ['another format', u8(0, 0), 'wrong-format'],
  ])('cannot be checked with %s', async (_, poke, code) => {
    const image = poke(Buffer.from(fixture('v3')()));
    await expect(checkImage(image, { format: 'qcow2' })).rejects.toMatchObject({ code });
  });
});

describe('refcounts', () => {
  testFindings(
    'qcow2',
    fixture('v3'),
    [
      ['of a data cluster', '0', refcount(dataCluster, 0), 'corruption', 'refcount-too-low'],
      ['of a data cluster', '2', refcount(dataCluster, 2), 'leak', 'leaked-cluster'],
      ['of the L2 table', '0', refcount(l2, 0), 'corruption', 'refcount-too-low'],
      ['of the L1 table', '0', refcount(l1, 0), 'corruption', 'refcount-too-low'],
      ['of the L1 table', '2', refcount(l1, 2), 'leak', 'leaked-cluster'],
      ['of the header', '0', refcount(() => 0, 0), 'corruption', 'refcount-too-low'],
      ['of a refcount block', '0', refcount(refcountBlock, 0), 'corruption', 'refcount-too-low'],
      [
        'of a cluster past the end',
        '1',
        refcount((b) => Number(pastEnd(b)), 1),
        'warning',
        'refcount-past-end',
      ],
    ],
    { beside: ['copied-flag'] },
  );

  const appended: Poke = (b) => Buffer.concat([b, Buffer.alloc(64 * KiB)]);
  testFindings('qcow2', fixture('cluster-2m'), [
    [
      'of nothing',
      '1',
      (b) => refcount(() => b.length, 1)(Buffer.concat([b, Buffer.alloc(clusterSize(b))])),
      'leak',
      'leaked-cluster',
    ],
  ]);
  it('is 0 behind everything that is in use', async () => {
    const image = appended(Buffer.from(fixture('v3')()));
    expect(await checkImage(image)).toMatchObject({ findings: [] });
  });

  test.each([1, 8, 64])('of %i bits', async (bits) => {
    const image = Buffer.from(fixture(`refcount-${bits}`)());
    expect(await checkImage(image)).toMatchObject({ findings: [] });
    const at = refcountBlock(image) + Math.floor((l1(image) / clusterSize(image)) * (bits / 8));
    if (bits === 1) image[at] = (image[at] as number) & ~(1 << ((l1(image) / clusterSize(image)) % 8));
    else image.fill(0, at, at + bits / 8);
    const { findings } = await checkImage(image);
    expect(findings).toMatchObject([{ code: 'refcount-too-low', fileOffset: l1(image) }]);
  });
});

describe('L1 entry', () => {
  testFindings('qcow2', fixture('v3'), [
    ['reserved bits', 'bit 0', l1Entry((v) => v | 1n), 'corruption', 'reserved-bits'],
    ['reserved bits', 'bit 62', l1Entry((v) => v | (1n << 62n)), 'corruption', 'reserved-bits'],
    ['COPIED', 'flipped', l1Entry((v) => v ^ COPIED), 'corruption', 'copied-flag'],
  ]);
  testFindings(
    'qcow2',
    fixture('v3'),
    [
      ['offset', 'not on a cluster', l1Entry((v) => v + 512n), 'corruption', 'unaligned'],
      ['offset', 'past the end', l1Entry((_, b) => COPIED | pastEnd(b)), 'corruption', 'past-end'],
      ['offset', '2^56 - 2^16', l1Entry(() => COPIED | (2n ** 56n - 2n ** 16n)), 'corruption', 'past-end'],
    ],
    LEAKS,
  );
});

describe('L2 entry', () => {
  const rows: CheckRow[] = [
    ['reserved bits', 'bit 1', l2Entry((v) => v | 2n), 'corruption', 'reserved-bits'],
    ['reserved bits', 'bit 56', l2Entry((v) => v | (1n << 56n)), 'corruption', 'reserved-bits'],
    ['COPIED', 'flipped', l2Entry((v) => v ^ COPIED), 'corruption', 'copied-flag'],
  ];
  testFindings('qcow2', fixture('v3'), rows);
  testFindings('qcow2', fixture('v2'), [
    ...rows,
    ['zero flag', 'set in version 2', l2Entry((v) => v | 1n), 'corruption', 'reserved-bits'],
  ]);
  testFindings(
    'qcow2',
    fixture('v3'),
    [
      ['offset', 'not on a cluster', l2Entry((v) => v + 512n), 'corruption', 'unaligned'],
      ['offset', 'past the end', l2Entry((_, b) => COPIED | pastEnd(b)), 'corruption', 'past-end'],
      ['offset', 'the header', l2Entry((v) => v & ~OFFSET), 'leak', 'leaked-cluster'],
      ['offset', 'the L1 table', l2Entry((_, b) => COPIED | BigInt(l1(b))), 'corruption', 'overlap'],
      [
        'offset',
        'that of another entry',
        l2Entry((_, b) => b.readBigUInt64BE(entryAt(b, entryAt(b) + 8))),
        'corruption',
        'refcount-too-low',
      ],
    ],
    { beside: ['leaked-cluster', 'refcount-too-low'] },
  );
});

describe('extended L2 entry', () => {
  const bitmap =
    (zeros: number, allocated: number): Poke =>
    (b) =>
      all(be32(l2(b) + 8, zeros), be32(l2(b) + 12, allocated))(b);
  testFindings(
    'qcow2',
    fixture('extended-l2'),
    [
      ['zero flag', 'set', l2Entry((v) => v | 1n), 'corruption', 'reserved-bits'],
      ['subclusters', 'allocated and zero', bitmap(1, 1), 'corruption', 'bad-table'],
      [
        'subclusters',
        'without a place',
        all((b) => be64(l2(b), 0)(b), bitmap(0, 1)),
        'corruption',
        'bad-reference',
      ],
    ],
    LEAKS,
  );
});

describe('compressed cluster', () => {
  const packed = (b: Buffer): number => {
    for (let at = l2(b); ; at += 8) if ((b.readBigUInt64BE(at) >> 62n) % 2n === 1n) return at;
  };
  testFindings(
    'qcow2',
    fixture('zlib'),
    [
      ['COPIED', 'set', entry(packed, (v) => v | COPIED), 'corruption', 'copied-flag'],
      [
        'offset',
        'past the end',
        entry(packed, (v, b) => (v & ~(2n ** 54n - 1n)) | pastEnd(b)),
        'corruption',
        'past-end',
      ],
    ],
    LEAKS,
  );
  testFindings(
    'qcow2',
    fixture('zlib'),
    [
      [
        'payload',
        'rubbish',
        (b) =>
          b.fill(
            0xee,
            Number(b.readBigUInt64BE(packed(b)) & 0xffffffffn),
            Number(b.readBigUInt64BE(packed(b)) & 0xffffffffn) + 8,
          ),
        'corruption',
        'bad-data',
      ],
    ],
    { data: true },
  );
});

describe('snapshots', () => {
  testFindings(
    'qcow2',
    fixture('snapshots'),
    [
      [
        'l1_table_offset',
        'not on a cluster',
        entry(snapshotTable, (v) => v + 512n),
        'corruption',
        'unaligned',
      ],
      [
        'l1_table_offset',
        'past the end',
        entry(snapshotTable, (_, b) => pastEnd(b)),
        'corruption',
        'past-end',
      ],
      [
        'l1_table_offset',
        'the active one',
        entry(snapshotTable, (_, b) => BigInt(l1(b))),
        'corruption',
        'overlap',
      ],
      ['l1_size', '2^32 - 1', (b) => be32(snapshotTable(b) + 8, 0xffffffff)(b), 'corruption', 'bad-table'],
      ['extra_data_size', '1025', (b) => be32(snapshotTable(b) + 36, 1025)(b), 'corruption', 'bad-table'],
      ['nb_snapshots', 'one less', (b) => be32(60, b.readUInt32BE(60) - 1)(b), 'leak', 'leaked-cluster'],
      [
        'snapshots_offset',
        'not on a cluster',
        entry(
          () => 64,
          (v) => v + 8n,
        ),
        'corruption',
        'unaligned',
      ],
      [
        'snapshots_offset',
        'past the end',
        entry(
          () => 64,
          (_, b) => pastEnd(b),
        ),
        'corruption',
        'truncated',
      ],
    ],
    { beside: ['leaked-cluster', 'refcount-too-low'] },
  );
});

describe('bitmaps', () => {
  /** The data of the extension. */
  const extension = (b: Buffer): number => b.indexOf(Buffer.from('23852875', 'hex')) + 8;
  const directory = (b: Buffer): number => offsetAt(b, extension(b) + 16);
  const table = (b: Buffer): number => offsetAt(b, directory(b));
  testFindings(
    'qcow2',
    fixture('bitmap'),
    [
      ['autoclear', 'not up to date', u8(95, 0), 'warning', 'unused-space'],
      [
        'directory_offset',
        'not on a cluster',
        entry(
          (b) => extension(b) + 16,
          (v) => v + 8n,
        ),
        'corruption',
        'unaligned',
      ],
      [
        'directory_offset',
        'past the end',
        entry(
          (b) => extension(b) + 16,
          (_, b) => pastEnd(b),
        ),
        'corruption',
        'past-end',
      ],
      ['table_offset', 'not on a cluster', entry(directory, (v) => v + 8n), 'corruption', 'unaligned'],
      ['table_offset', 'the L1 table', entry(directory, (_, b) => BigInt(l1(b))), 'corruption', 'overlap'],
      ['table_size', '2^32 - 1', (b) => be32(directory(b) + 8, 0xffffffff)(b), 'corruption', 'bad-table'],
      ['flags', 'bit 3', (b) => be32(directory(b) + 12, 8)(b), 'corruption', 'reserved-bits'],
      ['table entry', 'reserved bit', entry(table, (v) => v | 2n), 'corruption', 'reserved-bits'],
      ['table entry', 'past the end', entry(table, (_, b) => pastEnd(b)), 'corruption', 'past-end'],
      ['number of bitmaps', '100', (b) => be32(extension(b), 100)(b), 'corruption', 'truncated'],
    ],
    {
      beside: [
        'leaked-cluster',
        'refcount-too-low',
        'reserved-bits',
        'past-end',
        'unaligned',
        'overlap',
        'truncated',
      ],
    },
  );
});

describe('what the reader refuses is checked', () => {
  const healthy = fixtures.filter(
    ({ file }) => file.endsWith('.qcow2.gz') && !/truncated|dirty|unknown-incompatible/.test(file),
  );
  it.each(healthy.map(({ file }) => file))('%s: nothing wrong', async (file) => {
    const check = await checkImage(fixtureBytes(fixtureNamed(file)), { data: true });
    expect(check.findings.filter(({ severity }) => severity !== 'warning')).toEqual([]);
    expect(check).not.toHaveProperty('corruptions');
  });

  it.each(['truncated', 'truncated-compressed'])('%s: data is past the end', async (name) => {
    const { corruptions, findings } = await checkImage(fixture(name)());
    expect(corruptions).toBeGreaterThan(0);
    expect(new Set(findings.map(({ code }) => code))).toContain('past-end');
  });
});

describe('hostile images', () => {
  it('counts all findings and keeps some', async () => {
    const image = Buffer.from(fixture('cluster-512')());
    image.fill(0xff, l2(image), l2(image) + 512);
    const many = await checkImage(image);
    expect(many.corruptions).toBeGreaterThan(64);
    expect(many.findings.length).toBeLessThanOrEqual(1000);
  });

  it('takes no time and memory for a file that says to be huge', async () => {
    const image = fixture('v3')();
    const small = memorySource(image);
    const source = {
      ...small,
      size: 2 ** 52,
      read: async (into: Uint8Array, at: number) => {
        into.fill(0);
        into.set(image.subarray(at, at + into.length));
      },
    };
    expect(await checkImage(source)).toMatchObject({ findings: [] });
  });

  it('looks once into an L2 table to which every L1 entry refers', async () => {
    const image = Buffer.from(fixture('cluster-512')());
    const size = image.readUInt32BE(36);
    for (let index = 1; index < size; index++)
      image.copy(image, l1(image) + index * 8, l1(image), l1(image) + 8);
    let reads = 0;
    const source = memorySource(image);
    await checkImage({
      ...source,
      read: (into, at) => {
        if (at === l2(image)) reads += 1;
        return source.read(into, at);
      },
    });
    expect(reads).toBe(1);
  });

  it('stops when asked to', async () => {
    const signal = AbortSignal.abort();
    await expect(checkImage(fixture('v3')(), { signal })).rejects.toMatchObject({ code: 'cancelled' });
  });
});
