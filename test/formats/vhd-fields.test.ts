/**
 * VHD, every field of every record at the values where readers go wrong ("Virtual Hard Disk Image Format
 * Specification" 1.0). Checksums are computed again, so that each row tells what the field itself does.
 */

import { describe, expect, test } from 'vitest';
import * as parent from '../../src/formats/vhd/parent.ts';
import * as structs from '../../src/formats/vhd/structs.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { smallDifferencingVhd, smallDynamicVhd } from '../support/small-vhd.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';

const { vhdFooter, dynamicHeader } = structs;
const { parentLocator } = parent;

test('every record of the format has a table here', () => {
  const tested = [vhdFooter, dynamicHeader, parentLocator];
  expect(declaredIn(structs, parent)).toEqual(tested.map(({ name }) => name).sort());
});

/** Footer copy, header, table, names, then blocks of 4 KiB, each behind a bitmap of a sector, then the footer. */
const dynamic: Omit<Subject, 'places'> = {
  format: 'vhd',
  image: () => smallDynamicVhd(4096, 20),
  structures: (bytes) => ({
    'copy of the footer': 0,
    header: 512,
    table: 1536,
    'first block': 2560,
    footer: bytes.length - 512,
  }),
  unit: 1,
  alignment: 512,
};
const differencing: Omit<Subject, 'places'> = {
  ...dynamic,
  image: () => smallDifferencingVhd(4096, 16).image,
  companion: () => smallDifferencingVhd(4096, 16).parent,
  structures: (bytes, anatomy) => ({ ...dynamic.structures(bytes, anatomy), 'name of the parent': 2048 }),
};
const fixed: Omit<Subject, 'places'> = {
  format: 'vhd',
  image: () => fixtureBytes(fixtureNamed('vhd/fixed-force-size')),
  structures: (bytes) => ({ data: 0, footer: bytes.length - 512 }),
  unit: 1,
  alignment: 512,
};
const footers: Subject['places'] = (_, { records }) =>
  records.flatMap(({ struct, at }) => (struct.name === vhdFooter.name ? [at] : []));

describe('a dynamic disk', () => {
  testFields(
    vhdFooter,
    { ...dynamic, places: footers },
    {
      cookie: 'wrong-format',
      features: 'same',
      fileFormatVersion: 'unsupported-version',
      dataOffset: {
        otherwise: 'bad-header',
        'bad-reference': ['1', 'max', 'max - 1', 'one more'],
        truncated: ['sign bit', 'past the end', 'on the footer'],
        same: ['on the header'],
      },
      timeStamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      currentSize: {
        otherwise: 'bad-header',
        other: ['past the end', 'on the first block', 'on the footer', 'on the header', 'on the table'],
      },
      cylinders: 'same',
      heads: 'same',
      sectorsPerTrack: 'same',
      diskType: { otherwise: 'bad-header', 'needs-parent': ['one more'] },
      checksum: 'bad-checksum',
      uniqueId: 'same',
      savedState: 'same',
      reserved: 'same',
    },
  );

  testFields(
    dynamicHeader,
    { ...dynamic, places: () => [512] },
    {
      cookie: 'bad-header',
      dataOffset: 'same',
      tableOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        'bad-reference': ['1', 'one more'],
        same: ['on the table'],
      },
      headerVersion: 'unsupported-version',
      maxTableEntries: {
        otherwise: 'bad-table',
        'bad-reference': ['on the first block', 'on the header', 'on the table'],
        truncated: ['past the end', 'on the footer'],
        same: ['one more'],
      },
      blockSize: { otherwise: 'bad-header', 'bad-table': ['on the header'] },
      checksum: 'bad-checksum',
      parentUniqueId: 'same',
      parentTimeStamp: 'same',
      reserved: 'same',
      parentUnicodeName: 'same',
      parentLocatorEntries: 'same',
      reserved2: 'same',
    },
  );

  describe('block allocation table', () => {
    const place = (block: number): Subject => ({ ...dynamic, places: () => [1536 + block * 4], unit: 512 });
    testFields(tableEntry('entry of the first block', 4), place(0), {
      entry: {
        otherwise: 'bad-reference',
        truncated: ['max - 1', 'sign bit', 'past the end', 'on the footer'],
        other: ['max'],
      },
    });

    testFields(tableEntry('entry of a block that is not stored', 4), place(1), {
      entry: {
        otherwise: 'bad-reference',
        truncated: ['max - 1', 'sign bit', 'past the end', 'on the footer'],
        same: ['max'],
      },
    });

    testFields(tableEntry('entry of the last block', 4), place(18), {
      entry: {
        otherwise: 'bad-reference',
        truncated: ['max - 1', 'sign bit', 'past the end', 'on the footer'],
        other: ['max'],
        same: ['on the first block'],
      },
    });

    testFields(tableEntry('entry past the disk', 4), place(20), {
      entry: 'same',
    });
  });

  describe('sector bitmap', () => {
    testFields(
      tableEntry('first bytes', 8),
      { ...dynamic, places: () => [2560] },
      {
        entry: 'same',
      },
    );
  });
});

describe('a fixed disk', () => {
  testFields(
    vhdFooter,
    { ...fixed, places: footers },
    {
      cookie: 'wrong-format',
      features: 'same',
      fileFormatVersion: 'unsupported-version',
      dataOffset: 'same',
      timeStamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      currentSize: { otherwise: 'bad-header', truncated: ['past the end'], same: ['on the footer'] },
      cylinders: 'same',
      heads: 'same',
      sectorsPerTrack: 'same',
      diskType: { otherwise: 'bad-header', 'bad-reference': ['one more'] },
      checksum: 'bad-checksum',
      uniqueId: 'same',
      savedState: 'same',
      reserved: 'same',
    },
  );
});

describe('a differencing disk', () => {
  testFields(
    vhdFooter,
    { ...differencing, places: footers },
    {
      cookie: 'wrong-format',
      features: 'same',
      fileFormatVersion: 'unsupported-version',
      dataOffset: {
        otherwise: 'bad-header',
        'bad-reference': ['1', 'max', 'max - 1', 'one more'],
        truncated: ['sign bit', 'past the end', 'on the footer'],
        same: ['on the header'],
      },
      timeStamp: 'same',
      creatorApplication: 'same',
      creatorVersion: 'same',
      creatorHostOs: 'same',
      originalSize: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      currentSize: {
        otherwise: 'bad-header',
        other: [
          'past the end',
          'on the first block',
          'on the footer',
          'on the header',
          'on the name of the parent',
          'on the table',
        ],
      },
      cylinders: 'same',
      heads: 'same',
      sectorsPerTrack: 'same',
      diskType: 'bad-header',
      checksum: 'bad-checksum',
      uniqueId: 'same',
      savedState: 'same',
      reserved: 'same',
    },
  );

  testFields(
    dynamicHeader,
    { ...differencing, places: () => [512] },
    {
      cookie: 'bad-header',
      dataOffset: 'same',
      tableOffset: {
        otherwise: 'truncated',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        'bad-reference': ['1', 'one more'],
        same: ['on the table'],
      },
      headerVersion: 'unsupported-version',
      maxTableEntries: {
        otherwise: 'bad-table',
        'bad-reference': ['on the first block', 'on the header', 'on the name of the parent', 'on the table'],
        truncated: ['past the end', 'on the footer'],
        same: ['one more'],
      },
      blockSize: { otherwise: 'bad-header', 'bad-table': ['on the header', 'on the name of the parent'] },
      checksum: 'bad-checksum',
      parentUniqueId: 'bad-chain',
      parentTimeStamp: 'same',
      reserved: 'same',
      parentUnicodeName: 'same',
      parentLocatorEntries: { otherwise: 'needs-parent', 'bad-header': ['ones'], same: ['one bit'] },
      reserved2: 'same',
    },
  );

  testFields(
    parentLocator,
    { ...differencing, places: () => [512 + 576] },
    {
      platformCode: 'same',
      platformDataSpace: 'same',
      platformDataLength: {
        otherwise: 'same',
        'bad-table': ['max', 'max - 1', 'sign bit'],
        truncated: ['past the end', 'on the footer'],
      },
      reserved: 'same',
      platformDataOffset: {
        otherwise: 'same',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        'bad-table': ['1', 'one more'],
        truncated: ['past the end'],
      },
    },
  );

  describe('sector bitmap', () => {
    testFields(
      tableEntry('first bytes', 8),
      { ...differencing, places: () => [2560] },
      {
        entry: { otherwise: 'other', same: ['one more'] },
      },
    );
  });
});
