/** The first QCOW and QED: every field at the values where readers go wrong, what a check finds, what qemu-img writes. */

import { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import * as qcow from '../../src/formats/qcow/structs.ts';
import * as qed from '../../src/formats/qed/structs.ts';
import { checkImage, convert, openImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { describeWith, qemuImg, qemuIo } from '../support/native-tools.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { testFindings } from './check-pokes.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';
import { be64, le64 } from './poke.ts';

const temp = tempFolder();

test('every record of the formats has a table here', () => {
  expect(declaredIn(qcow, qed)).toEqual([qcow.qcowHeader.name, qed.qedHeader.name].sort());
});

const qcowSubject: Subject = {
  format: 'qcow',
  image: () => fixtureBytes(fixtureNamed('qcow/any-order')),
  places: () => [0],
  structures: (_, { tables }) => ({
    header: 0,
    'L1 table': tables[0]?.at ?? 0,
    'L2 table': tables[1]?.at ?? 0,
  }),
  unit: 1,
  alignment: 8,
};
const qedSubject: Subject = {
  ...qcowSubject,
  format: 'qed',
  image: () => fixtureBytes(fixtureNamed('qed/any-order')),
  alignment: 64 * KiB,
};
const firstOf =
  (level: 'L1' | 'L2'): Subject['places'] =>
  (bytes, { tables, endian }) => {
    const table = tables.find(({ what }) => what.startsWith(level));
    for (let at = table?.at ?? 0; ; at += 8) {
      const value = endian === 'big' ? bytes.readBigUInt64BE(at) : bytes.readBigUInt64LE(at);
      if (value > 1n) return [at];
    }
  };

describe('qcow', () => {
  testFields(qcow.qcowHeader, qcowSubject, {
    magic: 'wrong-format',
    version: { otherwise: 'wrong-format', same: ['1'] },
    backingFileOffset: {
      otherwise: 'needs-backing',
      same: ['0', 'on the header'],
      'bad-header': ['max', 'max - 1', 'sign bit'],
    },
    backingFileSize: 'same',
    modificationTime: 'same',
    size: { otherwise: 'other', 'bad-header': ['0', '1', 'max', 'max - 1', 'sign bit', 'on the header'] },
    clusterBits: { otherwise: 'bad-header', other: ['one more'] },
    l2Bits: { otherwise: 'bad-header', 'bad-reference': ['one more'] },
    padding: 'same',
    cryptMethod: { otherwise: 'bad-header', same: ['0', 'on the header'], encrypted: ['1', 'one more'] },
    l1TableOffset: {
      otherwise: 'bad-reference',
      'bad-header': ['max', 'max - 1', 'sign bit'],
      truncated: ['past the end'],
      same: ['on the L1 table'],
      other: ['on the L2 table'],
    },
  });
  testFields(
    tableEntry('qcow L1 entry', 8),
    { ...qcowSubject, places: firstOf('L1') },
    {
      entry: {
        'bad-reference': ['1'],
        'bad-table': ['max', 'max - 1', 'sign bit'],
        other: ['0', 'on the L1 table', 'on the header'],
        same: ['on the L2 table'],
        truncated: ['one more', 'past the end'],
      },
    },
  );
  testFields(
    tableEntry('qcow L2 entry', 8),
    { ...qcowSubject, places: firstOf('L2') },
    {
      entry: {
        otherwise: 'other',
        'bad-reference': ['1'],
        'bad-table': ['sign bit'],
        truncated: ['max', 'max - 1', 'past the end'],
      },
    },
  );
});

describe('qed', () => {
  testFields(qed.qedHeader, qedSubject, {
    magic: 'wrong-format',
    clusterSize: { otherwise: 'bad-header', same: ['on the L1 table'] },
    tableSize: { otherwise: 'bad-header', same: ['1'] },
    headerSize: { otherwise: 'bad-reference', 'bad-header': ['0', 'on the header'], same: ['1'] },
    features: {
      otherwise: 'unsupported-feature',
      same: ['0', 'on the header'],
      'needs-backing': ['1', 'one more'],
    },
    compatFeatures: 'same',
    autoclearFeatures: 'same',
    l1TableOffset: {
      otherwise: 'bad-reference',
      'bad-header': ['max', 'max - 1', 'sign bit'],
      truncated: ['past the end'],
      same: ['on the L1 table'],
      other: ['on the L2 table'],
    },
    imageSize: {
      otherwise: 'bad-header',
      other: ['0', 'on the L1 table', 'on the L2 table', 'on the header', 'past the end'],
    },
    backingFilenameOffset: 'same',
    backingFilenameSize: 'same',
  });
  testFields(
    tableEntry('qed L1 entry', 8),
    { ...qedSubject, places: firstOf('L1') },
    {
      entry: {
        otherwise: 'bad-reference',
        other: ['0', 'on the L1 table', 'on the header'],
        same: ['on the L2 table'],
        truncated: ['past the end'],
      },
    },
  );
  testFields(
    tableEntry('qed L2 entry', 8),
    { ...qedSubject, places: firstOf('L2') },
    {
      entry: {
        otherwise: 'bad-reference',
        other: ['0', '1', 'on the L1 table', 'on the L2 table', 'on the header'],
        truncated: ['past the end'],
      },
    },
  );
});

describe('check', () => {
  const l1 = (b: Buffer): number => Number(b.readBigUInt64BE(40));
  const qedL1 = (b: Buffer): number => Number(b.readBigUInt64LE(40));
  testFindings('qcow', qcowSubject.image, [
    ['L1 entry', 'on the header', (b) => be64(l1(b), 8n)(b), 'corruption', 'bad-reference'],
    ['L1 entry', 'past the end', (b) => be64(l1(b), BigInt(b.length))(b), 'corruption', 'truncated'],
    ['L1 entry', 'compressed', (b) => be64(l1(b), 1n << 63n)(b), 'corruption', 'bad-table'],
  ]);
  testFindings(
    'qed',
    qedSubject.image,
    [
      ['L1 entry', 'not on a cluster', (b) => le64(qedL1(b), 65_537n)(b), 'corruption', 'bad-reference'],
      ['L1 entry', 'past the end', (b) => le64(qedL1(b), 2n ** 40n)(b), 'corruption', 'truncated'],
      ['L1 entry', 'the L1 table', (b) => le64(qedL1(b), BigInt(qedL1(b)))(b), 'corruption', 'overlap'],
      ['L1 entry', 'gone', (b) => le64(qedL1(b), 0n)(b), 'leak', 'leaked-cluster'],
    ],
    { beside: ['leaked-cluster', 'bad-reference', 'truncated', 'overlap'] },
  );

  it.each(fixtures.filter(({ format }) => format === 'qcow' || format === 'qed'))(
    '$file is sound',
    async (fixture) => {
      const check = await checkImage(fixtureBytes(fixture), { format: fixture.format as 'qed', data: true });
      expect(check.findings).toEqual([]);
    },
  );
});

it.each(['qcow', 'qed'] as const)('nobody writes %s', async (format) => {
  const wanted = { format } as never;
  await expect(convert(new Uint8Array(512), temp('none'), wanted)).rejects.toMatchObject({
    code: 'unsupported-feature',
    hint: expect.stringContaining('qcow2'),
  });
});

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads what qemu-img writes', () => {
  const guests = {
    'data and zeros': seededGuest(5 * MiB + 1536, 12),
    'no data': Buffer.alloc(MiB + 512),
    'last sector only': Buffer.concat([Buffer.alloc(4 * MiB), seededGuest(512, 13)]),
  } as const;
  const variants: readonly (readonly [format: string, ...args: string[]])[] = [
    ['qcow'],
    ['qed'],
    ['qed', '-o', 'cluster_size=4096'],
    ['qed', '-o', 'cluster_size=4096,table_size=16'],
    ['qed', '-o', 'cluster_size=1M,table_size=2'],
  ];
  describe.each(variants)('%s %s %s', (format, ...args) => {
    test.each(Object.keys(guests) as (keyof typeof guests)[])('%s', async (name) => {
      writeFileSync(temp('guest.raw'), guests[name]);
      await qemuImg(['convert', '-f', 'raw', '-O', format, ...args, temp('guest.raw'), temp('theirs')]);
      await convert(temp('theirs'), temp('ours.raw'), { format: 'raw' });
      expect(sha256(readFileSync(temp('ours.raw')))).toBe(sha256(guests[name]));
    });
  });

  test('qcow, compressed cluster by cluster', async () => {
    await qemuImg(['create', '-q', '-f', 'qcow', temp('packed.qcow'), '1M']);
    const writes = Array.from({ length: 60 }, (_, index) => `write -c -P ${index + 1} ${index * 16}k 4k`);
    await qemuIo('qcow', temp('packed.qcow'), [...writes, 'write -P 200 970k 40k']);
    await qemuImg(['convert', '-f', 'qcow', '-O', 'raw', temp('packed.qcow'), temp('theirs.raw')]);
    await convert(temp('packed.qcow'), temp('ours.raw'), { format: 'raw' });
    expect(sha256(readFileSync(temp('ours.raw')))).toBe(sha256(readFileSync(temp('theirs.raw'))));
    expect(await checkImage(temp('packed.qcow'), { data: true })).toMatchObject({ findings: [] });
  });

  test.each(['qcow', 'qed'])('a chain of %s, flattened', async (format) => {
    writeFileSync(temp('base.raw'), guests['data and zeros']);
    await qemuImg(['create', '-q', '-f', format, '-b', temp('base.raw'), '-F', 'raw', temp('middle')]);
    await qemuIo(format, temp('middle'), ['write -P 1 100k 200k']);
    await qemuImg(['create', '-q', '-f', format, '-b', temp('middle'), '-F', format, temp('top')]);
    await qemuIo(format, temp('top'), ['write -P 2 200k 3M']);
    await qemuImg(['convert', '-f', format, '-O', 'raw', temp('top'), temp('theirs.raw')]);
    const paths = { middle: 'middle', 'base.raw': 'base.raw' };
    const input = {
      resolve: ({ name }: { name: string }) =>
        Object.values(paths)
          .map(temp)
          .find((path) => path === name),
    };
    await convert(temp('top'), temp('ours.raw'), { format: 'raw', input });
    expect(sha256(readFileSync(temp('ours.raw')))).toBe(sha256(readFileSync(temp('theirs.raw'))));
    await expect(openImage(temp('top'))).rejects.toMatchObject({ code: 'needs-backing' });
  });
});
