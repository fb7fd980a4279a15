/**
 * qcow2, every field of every record at the values where readers go wrong (`docs/interop/qcow2.txt`): headers,
 * extensions, snapshots. Table entries are in `qcow2-entries.test.ts`.
 */

import { describe, expect, test } from 'vitest';
import * as structs from '../../src/formats/qcow2/structs.ts';
import { declaredIn, tableEntry, testFields } from './fields.ts';
import {
  backing,
  bitmap,
  dataFile,
  entry,
  named,
  plain,
  record,
  snapshots,
  version2,
  zstd,
} from './qcow2-subjects.ts';

const { additionalHeader, baseHeader, bitmapEntry, bitmapsExtension } = structs;
const { extensionHeader, featureHeader, snapshotHeader } = structs;

test('every record of the format has a table here', () => {
  const tested = [additionalHeader, baseHeader, bitmapEntry, bitmapsExtension];
  const more = [extensionHeader, featureHeader, snapshotHeader];
  expect(declaredIn(structs)).toEqual([...tested, ...more].map(({ name }) => name).sort());
});

describe('header', () => {
  describe('version 3', () => {
    testFields(
      baseHeader,
      { ...plain, places: record('header') },
      {
        magic: 'wrong-format',
        version: 'unsupported-version',
        backingFileOffset: {
          otherwise: 'bad-header',
          'needs-backing': ['1', 'one more', 'on the refcount table'],
          same: ['0', 'on the header'],
        },
        backingFileSize: 'same',
        clusterBits: { otherwise: 'bad-header', 'bad-reference': ['one more'] },
        size: { otherwise: 'other', 'bad-header': ['max', 'max - 1', 'sign bit'] },
        cryptMethod: {
          otherwise: 'unsupported-feature',
          same: ['0', 'on the header'],
          encrypted: ['1', 'one more'],
        },
        l1Size: {
          otherwise: 'bad-table',
          same: [
            'one more',
            'on the L1 table',
            'on the L2 table',
            'on the refcount block',
            'on the refcount table',
          ],
          truncated: ['past the end'],
        },
        l1TableOffset: {
          otherwise: 'bad-table',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          'bad-reference': ['1', 'one more'],
          truncated: ['past the end', 'on the L2 table'],
          same: ['on the L1 table'],
          other: ['on the refcount table'],
        },
        refcountTableOffset: {
          otherwise: 'bad-reference',
          same: ['on the L1 table', 'on the L2 table', 'on the refcount block', 'on the refcount table'],
          'bad-header': ['max', 'max - 1', 'sign bit'],
          truncated: ['past the end'],
        },
        refcountTableClusters: { otherwise: 'bad-table', same: ['1', 'one more'] },
        nbSnapshots: {
          otherwise: 'bad-header',
          'bad-table': ['max', 'max - 1', 'sign bit', 'past the end'],
          same: ['0', 'on the header'],
        },
        snapshotsOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      },
    );

    testFields(
      featureHeader,
      { ...plain, places: record('header of version 3') },
      {
        incompatibleFeatures: {
          otherwise: 'unsupported-feature',
          same: ['0', '1', 'one more', 'on the header'],
        },
        compatibleFeatures: 'same',
        autoclearFeatures: 'same',
        refcountOrder: { otherwise: 'bad-header', same: ['0', '1', 'one more', 'on the header'] },
        headerLength: { otherwise: 'bad-header', same: ['on the refcount table'] },
      },
    );

    testFields(
      additionalHeader,
      { ...plain, places: record('additional fields') },
      {
        compressionType: { otherwise: 'bad-header', same: ['0'] },
        padding: 'same',
      },
    );
  });
  describe('version 2', () => {
    testFields(
      baseHeader,
      { ...version2, places: record('header') },
      {
        magic: 'wrong-format',
        version: { otherwise: 'unsupported-version', 'bad-header': ['one more'] },
        backingFileOffset: {
          otherwise: 'bad-header',
          same: ['0', 'on the header', 'on the L2 table'],
          'needs-backing': ['1', 'one more', 'on the refcount table'],
        },
        backingFileSize: 'same',
        clusterBits: { otherwise: 'bad-header', 'bad-reference': ['one more'] },
        size: { otherwise: 'other', 'bad-header': ['max', 'max - 1', 'sign bit'] },
        cryptMethod: {
          otherwise: 'unsupported-feature',
          same: ['0', 'on the header', 'on the L2 table'],
          encrypted: ['1', 'one more'],
        },
        l1Size: {
          otherwise: 'bad-table',
          truncated: [
            'one more',
            'past the end',
            'on the L1 table',
            'on the refcount block',
            'on the refcount table',
          ],
          same: ['1'],
        },
        l1TableOffset: {
          otherwise: 'bad-table',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          'bad-reference': ['1', 'one more'],
          truncated: ['past the end'],
          same: ['on the L1 table'],
        },
        refcountTableOffset: {
          otherwise: 'bad-reference',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          same: ['on the L1 table', 'on the refcount block', 'on the refcount table'],
          truncated: ['past the end'],
        },
        refcountTableClusters: { otherwise: 'bad-table', same: ['1', 'one more'] },
        nbSnapshots: {
          otherwise: 'bad-table',
          same: ['0', 'on the header', 'on the L2 table'],
          'bad-header': ['1', 'one more', 'on the refcount table'],
        },
        snapshotsOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      },
    );
  });
  describe('zstd', () => {
    testFields(
      additionalHeader,
      { ...zstd, places: record('additional fields') },
      {
        compressionType: { otherwise: 'unsupported-feature', 'bad-header': ['0'], same: ['1'] },
        padding: 'same',
      },
    );
  });
  describe('with a backing file', () => {
    testFields(
      baseHeader,
      { ...backing, places: record('header') },
      {
        magic: 'wrong-format',
        version: { otherwise: 'unsupported-version', 'bad-header': ['one more'] },
        backingFileOffset: {
          otherwise: 'bad-header',
          other: ['0', 'on the header'],
          same: ['1', 'one more'],
        },
        backingFileSize: { otherwise: 'bad-header', same: ['0', '1', 'one more', 'on the header'] },
        clusterBits: { otherwise: 'bad-header', 'bad-reference': ['one more'] },
        size: { otherwise: 'other', 'bad-header': ['max', 'max - 1', 'sign bit'] },
        cryptMethod: {
          otherwise: 'unsupported-feature',
          same: ['0', 'on the header'],
          encrypted: ['1', 'one more'],
        },
        l1Size: {
          otherwise: 'bad-table',
          truncated: [
            'past the end',
            'on the L1 table',
            'on the L2 table',
            'on the refcount block',
            'on the refcount table',
          ],
          same: ['1', 'one more'],
        },
        l1TableOffset: {
          otherwise: 'bad-table',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          'bad-reference': ['1', 'one more'],
          truncated: ['past the end'],
          same: ['on the L1 table'],
          other: ['on the L2 table'],
        },
        refcountTableOffset: {
          otherwise: 'bad-reference',
          same: ['on the L1 table', 'on the L2 table', 'on the refcount block', 'on the refcount table'],
          'bad-header': ['max', 'max - 1', 'sign bit'],
          truncated: ['past the end'],
        },
        refcountTableClusters: { otherwise: 'bad-table', same: ['1', 'one more'] },
        nbSnapshots: {
          otherwise: 'bad-table',
          'bad-header': ['1', 'one more', 'on the refcount table'],
          same: ['0', 'on the header'],
        },
        snapshotsOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      },
    );
  });
  describe('with a data file', () => {
    testFields(
      featureHeader,
      { ...dataFile, places: record('header of version 3') },
      {
        incompatibleFeatures: {
          otherwise: 'unsupported-feature',
          truncated: ['0', '1', 'on the header'],
          same: ['one more'],
        },
        compatibleFeatures: 'same',
        autoclearFeatures: 'same',
        refcountOrder: { otherwise: 'bad-header', same: ['0', '1', 'one more', 'on the header'] },
        headerLength: { otherwise: 'bad-header', same: ['on the refcount table'] },
      },
    );
  });
});

describe('header extensions', () => {
  describe('feature names', () => {
    testFields(
      extensionHeader,
      { ...named, places: record('extension 0x6803f857') },
      {
        type: 'same',
        length: { otherwise: 'truncated', same: ['1', 'one more'] },
      },
    );
  });
  describe('name of the data file', () => {
    testFields(
      extensionHeader,
      { ...dataFile, places: record('extension 0x44415441') },
      {
        type: 'same',
        length: { otherwise: 'truncated', same: ['one more'] },
      },
    );
  });
  describe('end', () => {
    testFields(
      extensionHeader,
      { ...plain, places: record('extension 0x0') },
      {
        type: 'same',
        length: { otherwise: 'truncated', same: ['0', '1', 'one more', 'on the header'] },
      },
    );
  });
  describe('bitmaps', () => {
    testFields(
      bitmapsExtension,
      { ...bitmap, places: record('bitmaps extension') },
      {
        count: { otherwise: 'bad-table', same: ['0', '1', 'on the header'] },
        reserved: 'same',
        directorySize: {
          otherwise: 'truncated',
          'bad-table': ['0', '1', 'on the header'],
          'bad-header': ['max', 'max - 1', 'sign bit'],
        },
        directoryOffset: {
          otherwise: 'bad-header',
          truncated: ['one more', 'past the end'],
          same: ['on the refcount table'],
          'bad-table': ['on the refcount block'],
        },
      },
    );

    testFields(
      bitmapEntry,
      { ...bitmap, places: record('bitmap 1') },
      {
        tableOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
        tableSize: 'same',
        flags: 'same',
        type: 'same',
        granularityBits: 'same',
        nameLength: { otherwise: 'same', 'bad-table': ['max', 'max - 1', 'sign bit'] },
        extraLength: { otherwise: 'bad-table', same: ['0', '1', 'one more', 'on the header'] },
      },
    );

    testFields(
      tableEntry('bitmap table entry', 8),
      { ...bitmap, places: entry('table of bitmap 1') },
      {
        entry: 'same',
      },
    );
  });
});

describe('snapshots', () => {
  describe('the active state', () => {
    testFields(
      snapshotHeader,
      { ...snapshots, places: record('snapshot 1') },
      {
        l1TableOffset: {
          otherwise: 'same',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          'bad-reference': ['1', 'one more'],
          truncated: ['past the end'],
        },
        l1Size: {
          otherwise: 'same',
          truncated: ['past the end', 'on the L1 table', 'on the L2 table', 'on the refcount block'],
          'bad-table': ['max', 'max - 1', 'sign bit'],
        },
        idLength: { otherwise: 'same', 'bad-header': ['max', 'max - 1'] },
        nameLength: { otherwise: 'same', 'bad-header': ['max', 'max - 1'] },
        seconds: 'same',
        nanoseconds: 'same',
        clock: 'same',
        stateSize: 'same',
        extraLength: { otherwise: 'bad-table', same: ['one more'] },
      },
    );

    testFields(
      tableEntry('L1 entry of a snapshot', 8),
      { ...snapshots, places: entry('L1 of snapshot 1') },
      {
        entry: 'same',
      },
    );
  });
  describe('the snapshot', () => {
    const state = { ...snapshots, options: { snapshot: '1' } };
    testFields(
      snapshotHeader,
      { ...state, places: record('snapshot 1') },
      {
        l1TableOffset: {
          otherwise: 'bad-table',
          'bad-header': ['max', 'max - 1', 'sign bit'],
          truncated: ['past the end', 'on the L2 table', 'on the refcount table'],
          'bad-reference': ['1', 'one more'],
          other: ['on the L1 table'],
        },
        l1Size: {
          otherwise: 'bad-table',
          truncated: ['past the end', 'on the L1 table', 'on the L2 table', 'on the refcount block'],
          same: ['1', 'one more', 'on the refcount table'],
        },
        idLength: { otherwise: 'bad-option', 'bad-header': ['max', 'max - 1'], same: ['1'] },
        nameLength: { otherwise: 'same', 'bad-header': ['max', 'max - 1'] },
        seconds: 'same',
        nanoseconds: 'same',
        clock: 'same',
        stateSize: 'same',
        extraLength: { otherwise: 'bad-table', 'bad-option': ['one more'] },
      },
    );

    testFields(
      tableEntry('L1 entry', 8),
      { ...state, places: entry('L1 of snapshot 1') },
      {
        entry: {
          otherwise: 'other',
          'bad-table': ['1', 'max', 'max - 1', 'one more'],
          truncated: ['past the end', 'on the refcount block'],
        },
      },
    );
  });
});
