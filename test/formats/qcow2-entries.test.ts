/**
 * qcow2, every kind of table entry at the values where readers go wrong (`docs/interop/qcow2.txt`). Readers do not look
 * at refcounts, and take data from wherever an L2 entry points to in the file: that two things stand in one place is
 * what a check finds.
 */

import { describe } from 'vitest';
import { type Subject, tableEntry, testFields } from './fields.ts';
import { backing, dataFile, entry, extended, plain, zlib, zstd } from './qcow2-subjects.ts';

describe('table entries', () => {
  testFields(
    tableEntry('L1 entry', 8),
    { ...plain, places: entry('L1') },
    {
      entry: {
        otherwise: 'other',
        'bad-table': ['1', 'max', 'max - 1', 'one more'],
        truncated: ['past the end'],
        same: ['on the L2 table'],
      },
    },
  );

  testFields(
    tableEntry('L2 entry', 8),
    { ...plain, places: entry('L1: L2') },
    {
      entry: { otherwise: 'other', truncated: ['max', 'max - 1', 'past the end'] },
    },
  );

  testFields(
    tableEntry('refcount table entry', 8),
    { ...plain, places: entry('refcount table') },
    {
      entry: 'same',
    },
  );

  testFields(
    tableEntry('refcount', 2),
    { ...plain, places: entry('refcount block', 3) },
    {
      entry: 'same',
    },
  );

  describe('with a backing file', () => {
    testFields(
      tableEntry('L1 entry', 8),
      { ...backing, places: entry('L1') },
      {
        entry: {
          otherwise: 'other',
          'bad-table': ['1', 'max', 'max - 1', 'one more', 'on the refcount block'],
          truncated: ['past the end'],
          same: ['on the L2 table'],
        },
      },
    );

    testFields(
      tableEntry('L2 entry', 8),
      { ...backing, places: entry('L1: L2') },
      {
        entry: {
          otherwise: 'other',
          same: ['0', 'sign bit', 'on the header'],
          truncated: ['max', 'max - 1', 'past the end'],
          'bad-table': ['1', 'one more'],
        },
      },
    );
  });
  describe('with a data file', () => {
    testFields(
      tableEntry('L2 entry', 8),
      { ...dataFile, places: entry('L1: L2') },
      {
        entry: { otherwise: 'other', 'bad-table': ['max', 'max - 1'], same: ['sign bit'] },
      },
    );
  });
  describe('compressed', () => {
    testFields(
      tableEntry('zlib L2 entry', 8),
      { ...zlib, places: entry('L1: L2') },
      {
        entry: {
          otherwise: 'other',
          truncated: ['max', 'max - 1', 'past the end'],
          'bad-data': ['one more'],
        },
      },
    );

    testFields(
      tableEntry('zstd L2 entry', 8),
      { ...zstd, places: entry('L1: L2') },
      {
        entry: {
          otherwise: 'other',
          truncated: ['max', 'max - 1', 'past the end'],
          'bad-data': ['one more'],
        },
      },
    );
  });
  describe('extended', () => {
    testFields(
      tableEntry('L2 entry', 8),
      { ...extended, places: entry('L1: L2') },
      {
        entry: {
          otherwise: 'other',
          'bad-reference': ['0', 'sign bit', 'on the header'],
          truncated: ['max', 'max - 1', 'past the end'],
          'bad-table': ['1', 'one more'],
        },
      },
    );

    const bitmaps: Subject['places'] = (bytes, anatomy) => {
      const [at = 0] = entry('L1: L2')(bytes, anatomy);
      return [at + 8];
    };
    testFields(
      tableEntry('bitmaps of subclusters', 8),
      { ...extended, places: bitmaps },
      {
        entry: { otherwise: 'other', 'bad-table': ['max', 'max - 1', 'one more'] },
      },
    );
  });
});
