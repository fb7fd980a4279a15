/** VDI, every field of the header and of the block map at the values where readers go wrong. */

import { describe, expect, test } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import * as structs from '../../src/formats/vdi/structs.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { declaredIn, type Subject, tableEntry, testFields } from './fields.ts';

const { vdiHeader } = structs;

test('every record of the format has a table here', () => {
  expect(declaredIn(structs)).toEqual([vdiHeader.name]);
});

/** A header, a map of 13 blocks, and three blocks, at places that are not in the order of the disk. */
const subject: Subject = {
  format: 'vdi',
  image: () => fixtureBytes(fixtureNamed('vdi/any-order')),
  places: () => [0],
  structures: () => ({ header: 0, map: 512, data: 1024 }),
  unit: 1,
  alignment: 512,
};

describe('the header', () => {
  testFields(vdiHeader, subject, {
    text: 'same',
    signature: 'wrong-format',
    version: 'unsupported-version',
    headerSize: { otherwise: 'same', 'bad-header': ['0', '1', 'on the header'] },
    imageType: { otherwise: 'bad-header', same: ['1', 'one more'] },
    imageFlags: 'same',
    description: 'same',
    mapOffset: {
      otherwise: 'bad-reference',
      truncated: ['sign bit', 'past the end'],
      same: ['on the map'],
    },
    dataOffset: {
      otherwise: 'bad-reference',
      truncated: ['sign bit', 'past the end'],
      same: ['on the data'],
    },
    cylinders: 'same',
    heads: 'same',
    sectors: 'same',
    sectorSize: { otherwise: 'bad-header', same: ['on the map'] },
    unused: 'same',
    diskSize: { otherwise: 'bad-header', other: ['1', 'on the data', 'on the map', 'past the end'] },
    blockSize: 'bad-header',
    blockExtra: {
      otherwise: 'bad-header',
      same: ['0', 'on the header'],
      truncated: ['on the data', 'on the map', 'past the end'],
    },
    blockCount: { otherwise: 'bad-reference', 'bad-header': ['0', '1', 'on the header'], same: ['one more'] },
    storedCount: 'same',
    uuid: 'same',
    modificationUuid: 'same',
    parentUuid: 'same',
    parentModificationUuid: 'same',
    lastCylinders: 'same',
    lastHeads: 'same',
    lastSectors: 'same',
    lastSectorSize: 'same',
    padding: 'same',
  });
});

describe('the block map', () => {
  const place = (block: number): Subject => ({
    ...subject,
    places: () => [512 + block * 4],
    unit: MiB,
    alignment: MiB,
  });
  testFields(tableEntry('entry of the first block in the file', 4), place(9), {
    entry: {
      otherwise: 'bad-reference',
      same: ['0', 'on the data', 'on the header', 'on the map'],
      truncated: ['sign bit', 'past the end'],
      other: ['max', 'max - 1'],
    },
  });
  testFields(tableEntry('entry of a block that is not stored', 4), place(5), {
    entry: {
      otherwise: 'bad-reference',
      truncated: ['sign bit', 'past the end'],
      same: ['max', 'max - 1'],
    },
  });
});
