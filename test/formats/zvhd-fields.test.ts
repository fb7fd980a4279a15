/**
 * ZVHD and ZVHD2, every field of every record at the values where readers go wrong (zvhd.md). Checksums are computed
 * again, so that each row tells what the field itself does.
 */

import { describe, expect, test } from 'vitest';
import * as footer from '../../src/formats/zvhd-stream/footer.ts';
import * as record from '../../src/formats/zvhd-stream/record.ts';
import * as structs from '../../src/formats/zvhd2/structs.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';

const { streamFooter, PAGE } = footer;
const { recordHeader } = record;
const { indexEntry } = structs;

test('every record of the formats has a table here', () => {
  const tested = [streamFooter, recordHeader, indexEntry];
  expect(declaredIn(footer, record, structs)).toEqual(tested.map(({ name }) => name).sort());
});

const footers: Subject['places'] = (_, { records }) =>
  records.flatMap(({ struct, at }) => (struct.name === streamFooter.name ? [at] : []));
const named =
  (what: string): Subject['places'] =>
  (_, { records }) =>
    records.flatMap((place) => (place.what === what ? [place.at] : []));
const region =
  (what: string): Subject['places'] =>
  (_, { regions }) =>
    regions.flatMap((place) => (place.what === what ? [place.start] : []));

/** One block of 2 MiB is stored, the last one of the disk. */
const zvhd: Omit<Subject, 'places'> = {
  format: 'zvhd',
  image: () => fixtureBytes(fixtureNamed('zvhd/last-block')),
  structures: (bytes) => ({ 'first footer': 0, record: PAGE, 'last footer': bytes.length - PAGE }),
  unit: 1,
  alignment: PAGE,
};
const zvhd2: Omit<Subject, 'places'> = {
  format: 'zvhd2',
  image: () => fixtureBytes(fixtureNamed('zvhd2/last-block.zstd')),
  structures: (bytes, { tables, regions }) => ({
    'initial footer': 0,
    record: PAGE,
    'middle footer': (tables[0]?.at ?? 0) - PAGE,
    index: tables[0]?.at ?? 0,
    bitmap: regions.find(({ what }) => what === 'bitmap')?.start ?? 0,
    'final footer': bytes.length - PAGE,
  }),
  unit: 1,
  alignment: PAGE,
};

describe('zvhd, both footers', () => {
  testFields(
    streamFooter,
    { ...zvhd, places: footers },
    {
      cookie: 'wrong-format',
      features: 'same',
      fileFormatVersion: 'same',
      dataOffset: 'same',
      timestamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: {
        otherwise: 'bad-header',
        same: ['past the end', 'on the last footer', 'on the record'],
      },
      currentSize: 'bad-header',
      geometry: 'same',
      diskType: 'same',
      checksum: 'bad-checksum',
      uniqueId: 'same',
      savedState: 'same',
      hidden: 'same',
      align64: 'same',
      zvhd2Version: 'same',
      blockSize: 'same',
      maxBlockNumber: 'same',
      indexOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      bitmapOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      indexSize: 'same',
      bitmapSize: 'same',
      indexSegmentSize: 'same',
      bitmapSegmentSize: 'same',
      indexSegmentCount: 'same',
      bitmapSegmentCount: 'same',
      nonZeroBlockCount: 'same',
      indexContainsZeroBlocks: 'same',
      compressionMethod: 'same',
      reserved: 'same',
    },
  );
});

describe('zvhd, the last footer alone', () => {
  testFields(
    streamFooter,
    { ...zvhd, places: named('last footer') },
    {
      cookie: 'truncated',
      features: 'bad-header',
      fileFormatVersion: { otherwise: 'bad-header', same: ['1'] },
      dataOffset: { otherwise: 'bad-header', same: ['max'] },
      timestamp: 'bad-header',
      creatorApplication: 'bad-header',
      creatorVersion: 'bad-header',
      creatorHostOs: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      originalSize: 'bad-header',
      currentSize: 'bad-header',
      geometry: 'bad-header',
      diskType: 'bad-header',
      checksum: 'bad-checksum',
      uniqueId: 'bad-header',
      savedState: { otherwise: 'bad-header', same: ['0'] },
      hidden: { otherwise: 'bad-header', same: ['0'] },
      align64: { otherwise: 'bad-header', same: ['0'] },
      zvhd2Version: { otherwise: 'bad-header', same: ['0'] },
      blockSize: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      maxBlockNumber: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      indexOffset: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      bitmapOffset: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      indexSize: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      bitmapSize: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      indexSegmentSize: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      bitmapSegmentSize: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      indexSegmentCount: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      bitmapSegmentCount: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      nonZeroBlockCount: { otherwise: 'bad-header', same: ['0', 'on the first footer'] },
      indexContainsZeroBlocks: { otherwise: 'bad-header', same: ['0'] },
      compressionMethod: { otherwise: 'bad-header', same: ['0'] },
      reserved: { otherwise: 'bad-header', same: ['zeros'] },
    },
  );
});

describe('zvhd', () => {
  testFields(
    recordHeader,
    { ...zvhd, places: named('record 0') },
    {
      prefix: 'bad-reference',
      payloadLength: {
        otherwise: 'bad-header',
        'bad-data': ['1', 'on the record'],
        truncated: ['past the end', 'on the last footer'],
        same: ['one more'],
      },
      blockNumber: { otherwise: 'bad-reference', other: ['0', '1', 'one more', 'on the first footer'] },
      compressed: 'same',
      reserved: 'same',
      originalSize: 'same',
      reserved2: 'same',
    },
  );

  testFields(
    tableEntry('end mark', 4),
    { ...zvhd, places: region('end mark of record 0') },
    {
      entry: 'bad-data',
    },
  );
});

describe('zvhd2, all footers', () => {
  testFields(
    streamFooter,
    { ...zvhd2, places: footers },
    {
      cookie: 'wrong-format',
      features: 'same',
      fileFormatVersion: 'same',
      dataOffset: 'same',
      timestamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: {
        otherwise: 'bad-header',
        same: [
          'past the end',
          'on the bitmap',
          'on the final footer',
          'on the index',
          'on the middle footer',
          'on the record',
        ],
      },
      currentSize: 'bad-header',
      geometry: 'same',
      diskType: 'same',
      checksum: 'bad-checksum',
      uniqueId: 'same',
      savedState: 'same',
      hidden: 'same',
      align64: 'same',
      zvhd2Version: { otherwise: 'unsupported-version', same: ['1'] },
      blockSize: 'bad-header',
      maxBlockNumber: { otherwise: 'bad-table', same: ['one more'] },
      indexOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit', 'on the record'],
        'bad-table': ['one more'],
        'bad-reference': ['on the middle footer'],
        same: ['on the index'],
      },
      bitmapOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        'bad-table': ['on the index', 'on the middle footer', 'on the record'],
        same: ['on the bitmap'],
      },
      indexSize: 'bad-table',
      bitmapSize: { otherwise: 'bad-table', same: ['on the record'] },
      indexSegmentSize: 'bad-table',
      bitmapSegmentSize: { otherwise: 'bad-table', same: ['on the record'] },
      indexSegmentCount: { otherwise: 'bad-table', same: ['1'] },
      bitmapSegmentCount: { otherwise: 'bad-table', same: ['1'] },
      nonZeroBlockCount: { otherwise: 'bad-table', same: ['1'] },
      indexContainsZeroBlocks: { otherwise: 'bad-header', 'bad-reference': ['1', 'one more'], same: ['0'] },
      compressionMethod: { otherwise: 'unsupported-feature', 'bad-data': ['0'], same: ['1'] },
      reserved: 'same',
    },
  );
});

describe('zvhd2, the final footer alone', () => {
  testFields(
    streamFooter,
    { ...zvhd2, places: named('final footer') },
    {
      cookie: 'truncated',
      features: 'same',
      fileFormatVersion: 'same',
      dataOffset: 'same',
      timestamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: 'bad-header',
      currentSize: 'bad-header',
      geometry: 'same',
      diskType: 'same',
      checksum: 'bad-checksum',
      uniqueId: 'bad-header',
      savedState: 'same',
      hidden: 'same',
      align64: 'same',
      zvhd2Version: { otherwise: 'unsupported-version', same: ['1'] },
      blockSize: 'bad-header',
      maxBlockNumber: { otherwise: 'bad-table', same: ['one more'] },
      indexOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit', 'on the record'],
        'bad-table': ['one more'],
        'bad-reference': ['on the middle footer'],
        same: ['on the index'],
      },
      bitmapOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        'bad-table': ['on the index', 'on the middle footer', 'on the record'],
        same: ['on the bitmap'],
      },
      indexSize: 'bad-table',
      bitmapSize: { otherwise: 'bad-table', same: ['on the record'] },
      indexSegmentSize: 'bad-table',
      bitmapSegmentSize: { otherwise: 'bad-table', same: ['on the record'] },
      indexSegmentCount: { otherwise: 'bad-table', same: ['1'] },
      bitmapSegmentCount: { otherwise: 'bad-table', same: ['1'] },
      nonZeroBlockCount: { otherwise: 'bad-table', same: ['1'] },
      indexContainsZeroBlocks: { otherwise: 'bad-header', 'bad-reference': ['1', 'one more'], same: ['0'] },
      compressionMethod: { otherwise: 'unsupported-feature', 'bad-data': ['0'], same: ['1'] },
      reserved: 'same',
    },
  );
});

describe('zvhd2, the middle footer alone', () => {
  testFields(
    streamFooter,
    { ...zvhd2, places: named('middle footer') },
    {
      cookie: 'same',
      features: 'same',
      fileFormatVersion: 'same',
      dataOffset: 'same',
      timestamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: 'same',
      currentSize: 'same',
      geometry: 'same',
      diskType: 'same',
      checksum: 'same',
      uniqueId: 'same',
      savedState: 'same',
      hidden: 'same',
      align64: 'same',
      zvhd2Version: 'same',
      blockSize: 'same',
      maxBlockNumber: 'same',
      indexOffset: 'same',
      bitmapOffset: 'same',
      indexSize: 'same',
      bitmapSize: 'same',
      indexSegmentSize: 'same',
      bitmapSegmentSize: 'same',
      indexSegmentCount: 'same',
      bitmapSegmentCount: 'same',
      nonZeroBlockCount: 'same',
      indexContainsZeroBlocks: 'same',
      compressionMethod: 'same',
      reserved: 'same',
    },
  );
});

describe('zvhd2', () => {
  testFields(
    recordHeader,
    { ...zvhd2, places: named('record 0') },
    {
      prefix: 'bad-reference',
      payloadLength: {
        otherwise: 'bad-reference',
        'bad-header': ['0', 'max', 'max - 1', 'sign bit', 'on the initial footer'],
        'bad-data': ['1'],
        same: ['one more'],
      },
      blockNumber: 'bad-reference',
      compressed: 'same',
      reserved: 'same',
      originalSize: 'same',
      reserved2: 'same',
    },
  );

  testFields(
    indexEntry,
    { ...zvhd2, places: named('index entry 0') },
    {
      fileOffset: {
        otherwise: 'bad-reference',
        truncated: ['past the end', 'on the bitmap', 'on the final footer', 'on the index'],
        'bad-header': ['max', 'max - 1', 'sign bit'],
        same: ['on the record'],
      },
      blockNumber: 'bad-reference',
      recordLength: {
        otherwise: 'bad-reference',
        truncated: ['past the end', 'on the bitmap', 'on the final footer', 'on the index'],
        same: ['on the record'],
      },
    },
  );

  testFields(
    tableEntry('end mark', 4),
    { ...zvhd2, places: region('end mark of record 0') },
    {
      entry: 'bad-data',
    },
  );

  testFields(
    tableEntry('start of the bitmap', 8),
    { ...zvhd2, places: region('bitmap') },
    {
      entry: { otherwise: 'bad-table', 'bad-reference': ['1', 'on the middle footer', 'on the record'] },
    },
  );
});
