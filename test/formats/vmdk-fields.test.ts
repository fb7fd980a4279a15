/** VMDK, every field of its records at the values where readers go wrong. */

import { describe, expect, test } from 'vitest';
import { writableFormatNamed } from '../../src/formats/index.ts';
import * as structs from '../../src/formats/vmdk/structs.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { writeImage } from '../support/memory-images.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';

const { sparseHeader, grainMarker, metadataMarker } = structs;

test('every record of the format has a table here', () => {
  expect(declaredIn(structs)).toEqual([sparseHeader.name, grainMarker.name, metadataMarker.name].sort());
});

const stream = await (async () => {
  const guest = seededGuest(300_032, 5);
  guest.fill(0, 65536, 131072);
  const format = writableFormatNamed('vmdk');
  return (await writeImage({ format, options: { compress: true } }, guest)).bytes;
})();

/** Three grains, at places that are not in the order of the disk; both directories are there. */
const sparse: Subject = {
  format: 'vmdk',
  image: () => fixtureBytes(fixtureNamed('vmdk/zeroed-grains')),
  places: () => [0],
  structures: (_, { tables, regions }) => ({
    descriptor: 512,
    directory: tables[0]?.at ?? 0,
    grain: regions.at(-1)?.start ?? 0,
  }),
  unit: 512,
  alignment: 512,
};
const streamed: Subject = { ...sparse, image: () => stream };
const recordsNamed =
  (wanted: RegExp): Subject['places'] =>
  (_, { records }) =>
    records.filter(({ what }) => wanted.test(what)).map(({ at }) => at);

describe('monolithicSparse', () => {
  testFields(sparseHeader, sparse, {
    magic: 'wrong-format',
    version: { otherwise: 'unsupported-version', same: ['1', 'on the descriptor', 'one more'] },
    flags: { otherwise: 'unsupported-feature', 'bad-reference': ['0', '1', 'on the descriptor'] },
    capacity: { otherwise: 'other', 'bad-header': ['0', 'max', 'max - 1', 'sign bit'] },
    grainSize: { otherwise: 'bad-header', truncated: ['1', 'on the descriptor'], same: ['on the grain'] },
    descriptorOffset: {
      otherwise: 'bad-header',
      'unsupported-feature': ['0'],
      same: ['1', 'on the descriptor'],
      truncated: ['past the end'],
    },
    descriptorSize: {
      otherwise: 'same',
      'unsupported-feature': ['0'],
      'bad-header': ['max', 'max - 1', 'sign bit'],
      truncated: ['past the end'],
      'bad-reference': ['on the grain'],
    },
    numGTEsPerGT: {
      otherwise: 'bad-header',
      truncated: ['1', 'on the descriptor'],
      other: ['on the directory', 'on the grain'],
    },
    rgdOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
    gdOffset: {
      otherwise: 'truncated',
      'bad-reference': ['0', 'max - 1', 'sign bit'],
      'bad-header': ['max'],
      same: ['on the directory'],
    },
    overHead: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
    uncleanShutdown: 'same',
    singleEndLineChar: 'bad-header',
    nonEndLineChar: 'bad-header',
    doubleEndLineChar1: 'bad-header',
    doubleEndLineChar2: 'bad-header',
    compressAlgorithm: { otherwise: 'unsupported-feature', same: ['0'], 'bad-header': ['1', 'one more'] },
    padding: 'same',
  });
});
describe('streamOptimized', () => {
  testFields(sparseHeader, streamed, {
    magic: 'wrong-format',
    version: { otherwise: 'unsupported-version', 'bad-header': ['1', 'on the descriptor'] },
    flags: { otherwise: 'unsupported-feature', 'bad-header': ['0', '1', 'on the descriptor', 'one more'] },
    capacity: 'bad-header',
    grainSize: 'bad-header',
    descriptorOffset: {
      otherwise: 'bad-header',
      'unsupported-feature': ['0', 'one more'],
      same: ['1', 'on the descriptor'],
      truncated: ['on the directory', 'on the grain', 'past the end'],
    },
    descriptorSize: {
      otherwise: 'same',
      'unsupported-feature': ['0'],
      'bad-header': ['max', 'max - 1', 'sign bit'],
      truncated: ['past the end'],
      'bad-reference': ['on the directory', 'on the grain'],
    },
    numGTEsPerGT: 'bad-header',
    rgdOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
    gdOffset: {
      otherwise: 'bad-reference',
      truncated: ['1', 'on the descriptor', 'on the grain', 'past the end'],
      same: ['max', 'on the directory'],
    },
    overHead: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
    uncleanShutdown: 'same',
    singleEndLineChar: 'bad-header',
    nonEndLineChar: 'bad-header',
    doubleEndLineChar1: 'bad-header',
    doubleEndLineChar2: 'bad-header',
    compressAlgorithm: { otherwise: 'unsupported-feature', 'bad-header': ['0'], same: ['1'] },
    padding: 'same',
  });
  testFields(
    sparseHeader,
    { ...streamed, places: recordsNamed(/^footer$/) },
    {
      magic: 'truncated',
      version: 'bad-header',
      flags: 'bad-header',
      capacity: 'bad-header',
      grainSize: 'bad-header',
      descriptorOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      descriptorSize: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      numGTEsPerGT: 'bad-header',
      rgdOffset: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      gdOffset: {
        otherwise: 'bad-reference',
        truncated: ['1', 'on the descriptor', 'on the grain', 'past the end'],
        same: ['on the directory'],
      },
      overHead: { otherwise: 'same', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      uncleanShutdown: 'same',
      singleEndLineChar: 'same',
      nonEndLineChar: 'same',
      doubleEndLineChar1: 'same',
      doubleEndLineChar2: 'same',
      compressAlgorithm: { otherwise: 'bad-header', same: ['1'] },
      padding: 'same',
    },
  );
  testFields(
    metadataMarker,
    { ...streamed, places: recordsNamed(/^footer marker/) },
    {
      sectors: {
        otherwise: 'truncated',
        same: ['1', 'on the descriptor'],
        'bad-header': ['max', 'max - 1', 'sign bit'],
      },
      dataSize: { otherwise: 'truncated', same: ['0'] },
      type: 'truncated',
      padding: 'same',
    },
  );
  testFields(
    metadataMarker,
    { ...streamed, places: recordsNamed(/^end of stream/) },
    {
      sectors: { otherwise: 'truncated', same: ['0'], 'bad-header': ['max', 'max - 1', 'sign bit'] },
      dataSize: { otherwise: 'truncated', same: ['0'] },
      type: { otherwise: 'truncated', same: ['0'] },
      padding: 'same',
    },
  );
  testFields(
    grainMarker,
    { ...streamed, places: recordsNamed(/^grain 1/) },
    {
      lba: { otherwise: 'bad-reference', same: ['0'], 'bad-header': ['max', 'max - 1', 'sign bit'] },
      dataSize: {
        otherwise: 'bad-data',
        'bad-header': ['0', 'max', 'max - 1', 'sign bit'],
        same: ['one more'],
      },
    },
  );
  testFields(
    grainMarker,
    { ...streamed, places: recordsNamed(/^grain 4/) },
    {
      lba: { otherwise: 'bad-reference', 'bad-header': ['max', 'max - 1', 'sign bit'] },
      dataSize: {
        otherwise: 'bad-data',
        'bad-header': ['0', 'max', 'max - 1', 'sign bit'],
        same: ['one more'],
      },
    },
  );
});

describe('the tables of a monolithicSparse', () => {
  const entryOf = (what: string): Subject => ({
    ...sparse,
    places: (_, { tables }) => [tables.find((table) => table.what === what)?.at ?? -1],
  });
  testFields(tableEntry('entry of the directory', 4), entryOf('directory'), {
    entry: {
      otherwise: 'truncated',
      other: ['0', 'on the directory', 'one more'],
      'bad-reference': ['1', 'on the descriptor'],
    },
  });
  testFields(tableEntry('entry of a grain that is stored', 4), entryOf('directory: table'), {
    entry: {
      otherwise: 'truncated',
      other: ['0', '1', 'on the descriptor', 'on the directory', 'on the grain'],
    },
  });
});
