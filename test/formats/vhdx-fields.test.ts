/** VHDX, every field of its records and of the block allocation table at the values where readers go wrong. */

import { describe, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import * as structs from '../../src/formats/vhdx/structs.ts';
import { itemEntry, itemPlace, regionPlace } from '../support/anatomy-vhdx.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { smallDifferencingVhdx, smallDirtyVhdx } from '../support/small-vhdx.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';

const {
  fileIdentifier,
  fileParameters,
  Guid,
  HEADER_OFFSETS,
  logDescriptor,
  logEntryHeader,
  metadataEntry,
  metadataTableHeader,
  parentLocatorEntry,
  parentLocatorHeader,
  REGION_TABLE_OFFSETS,
  regionEntry,
  regionTableHeader,
  vhdxHeader,
} = structs;

test('every record of the format has a table here', () => {
  const records = [
    fileIdentifier,
    vhdxHeader,
    regionTableHeader,
    regionEntry,
    metadataTableHeader,
    metadataEntry,
    fileParameters,
    logEntryHeader,
    logDescriptor,
    parentLocatorHeader,
    parentLocatorEntry,
  ];
  expect(declaredIn(structs)).toEqual(records.map(({ name }) => name).sort());
});

/** A table of 13 blocks of 1 MiB, and three blocks, at places that are not in the order of the disk. */
const subject: Subject = {
  format: 'vhdx',
  image: () => fixtureBytes(fixtureNamed('vhdx/any-order')),
  places: () => [0],
  structures: () => ({ header: 64 * 1024, log: MiB, bat: 2 * MiB, metadata: 3 * MiB }),
  unit: 1,
  alignment: MiB,
};
/** With what stands at those places changed. */
const at = (places: (bytes: Uint8Array) => readonly number[]): Subject => ({
  ...subject,
  places: (bytes) => places(bytes),
});

describe('the header section', () => {
  testFields(fileIdentifier, subject, { signature: 'wrong-format', creator: 'same' });
  testFields(
    vhdxHeader,
    at(() => HEADER_OFFSETS),
    {
      signature: 'bad-checksum',
      checksum: 'bad-checksum',
      sequenceNumber: 'bad-header',
      fileWriteGuid: 'same',
      dataWriteGuid: 'same',
      logGuid: { otherwise: 'bad-table', same: ['zeros'] },
      logVersion: 'same',
      version: { otherwise: 'unsupported-version', same: ['1'] },
      logLength: {
        otherwise: 'bad-reference',
        same: ['0', 'on the log'],
        truncated: ['past the end', 'sign bit'],
      },
      logOffset: {
        otherwise: 'bad-reference',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        truncated: ['past the end'],
        same: ['on the log'],
      },
      reserved: 'same',
    },
  );
  testFields(
    regionTableHeader,
    at(() => REGION_TABLE_OFFSETS),
    {
      signature: 'bad-checksum',
      checksum: 'bad-checksum',
      entryCount: { otherwise: 'bad-table', 'bad-reference': ['one more'] },
      reserved: 'same',
    },
  );
  const entryOf = (guid: string) =>
    at((bytes) => REGION_TABLE_OFFSETS.map((table) => regionPlace(bytes, table, guid)));
  describe('the BAT region', () => {
    testFields(regionEntry, entryOf(Guid.bat), {
      guid: 'bad-table',
      fileOffset: {
        otherwise: 'bad-reference',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        truncated: ['past the end'],
        same: ['on the bat'],
      },
      length: { otherwise: 'bad-reference', truncated: ['past the end', 'sign bit'], same: ['on the log'] },
      required: 'same',
    });
  });
  describe('the metadata region', () => {
    testFields(regionEntry, entryOf(Guid.metadata), {
      guid: 'bad-table',
      fileOffset: {
        otherwise: 'bad-reference',
        'bad-header': ['max', 'max - 1', 'sign bit'],
        truncated: ['past the end'],
        same: ['on the metadata'],
      },
      length: {
        otherwise: 'bad-reference',
        truncated: ['past the end', 'sign bit'],
        same: ['on the bat', 'on the log', 'on the metadata'],
      },
      required: 'same',
    });
  });
});

describe('the metadata', () => {
  testFields(
    metadataTableHeader,
    at(() => [3 * MiB]),
    {
      signature: 'bad-header',
      reserved: 'same',
      entryCount: { otherwise: 'bad-table', same: ['one more'] },
      reserved2: 'same',
    },
  );
  testFields(
    metadataEntry,
    at((bytes) => [itemEntry(bytes, Guid.virtualDiskSize)]),
    {
      itemId: 'unsupported-feature',
      offset: 'bad-reference',
      length: { otherwise: 'bad-reference', 'bad-table': ['0', '1'] },
      flags: { otherwise: 'unsupported-feature', same: ['0'], 'bad-table': ['1'] },
      reserved2: 'same',
    },
  );
  testFields(
    fileParameters,
    at((bytes) => [itemPlace(bytes, Guid.fileParameters)]),
    {
      blockSize: { otherwise: 'bad-header', same: ['on the log'], truncated: ['on the bat'] },
      flags: { otherwise: 'unsupported-feature', same: ['0', '1', 'one more'] },
    },
  );
  const item = (name: string, guid: string) =>
    [tableEntry(name, 4), at((bytes) => [itemPlace(bytes, guid)])] as const;
  testFields(...item('logical sector size', Guid.logicalSectorSize), { entry: 'bad-header' });
  testFields(...item('physical sector size', Guid.physicalSectorSize), { entry: 'bad-header' });
  testFields(
    tableEntry('virtual disk size', 8),
    at((bytes) => [itemPlace(bytes, Guid.virtualDiskSize)]),
    {
      entry: {
        otherwise: 'bad-header',
        other: ['on the bat', 'on the header', 'on the log', 'on the metadata', 'past the end'],
      },
    },
  );
});

describe('the block allocation table', () => {
  const entry = (block: number) => at(() => [2 * MiB + block * 8]);
  // Whole MiB are places of blocks that are not present.
  testFields(tableEntry('entry of a block that is there', 8), entry(9), {
    entry: { otherwise: 'other', 'bad-table': ['max', 'max - 1', 'on the header', 'one more'] },
  });
  testFields(tableEntry('entry of a block that is not', 8), entry(5), {
    entry: { otherwise: 'same', 'bad-table': ['max', 'max - 1', 'on the header'] },
  });
});

describe('the log', () => {
  const dirty: Subject = { ...subject, image: smallDirtyVhdx, places: () => [MiB] };
  testFields(logEntryHeader, dirty, {
    signature: 'bad-table',
    checksum: 'bad-table',
    entryLength: 'bad-table',
    tail: { otherwise: 'bad-table', same: ['0'] },
    sequenceNumber: 'bad-table',
    descriptorCount: { otherwise: 'bad-table', other: ['0'], same: ['1'] },
    reserved: 'same',
    logGuid: 'bad-table',
    flushedFileOffset: { otherwise: 'same', 'bad-table': ['max', 'max - 1', 'sign bit'] },
    lastFileOffset: { otherwise: 'same', 'bad-table': ['max', 'max - 1', 'sign bit'] },
  });
  testFields(
    logDescriptor,
    { ...dirty, places: () => [MiB + logEntryHeader.size] },
    {
      signature: 'bad-table',
      trailing: 'same',
      leading: { otherwise: 'other', 'bad-table': ['max', 'max - 1', 'on the header', 'one more'] },
      fileOffset: {
        otherwise: 'bad-table',
        other: ['0', 'on the header', 'on the log', 'past the end'],
        same: ['on the bat'],
        'bad-header': ['on the metadata'],
      },
      sequenceNumber: 'bad-table',
    },
  );
});

describe('the parent locator', () => {
  const { image, parent } = smallDifferencingVhdx();
  const child: Subject = {
    ...subject,
    image: () => image,
    companion: () => parent,
    places: (bytes) => [itemPlace(bytes, Guid.parentLocator)],
  };
  testFields(parentLocatorHeader, child, {
    locatorType: 'unsupported-feature',
    reserved: 'same',
    keyValueCount: { otherwise: 'bad-reference', 'bad-table': ['0'], 'needs-parent': ['1'] },
  });
  const first: Subject = {
    ...child,
    places: (bytes) => [itemPlace(bytes, Guid.parentLocator) + parentLocatorHeader.size],
  };
  testFields(parentLocatorEntry, first, {
    keyOffset: { otherwise: 'bad-reference', 'bad-table': ['1', 'one more'] },
    valueOffset: { otherwise: 'bad-reference', 'bad-table': ['1', 'one more'] },
    keyLength: 'bad-reference',
    valueLength: 'bad-reference',
  });
});
