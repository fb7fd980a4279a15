/** L2 tables into extents: one table of 8192 entries, as clusters of 64 KiB have it. */

import { KiB, TiB } from '../../src/binary/align.ts';
import { type L2Shape, l2Extents } from '../../src/formats/qcow2/l2-table.ts';
import { EntryHigh } from '../../src/formats/qcow2/structs.ts';
import { mergeNeighbours } from '../../src/image/extent.ts';
import { measure } from '../timing.ts';

const CLUSTER = 64 * KiB;
const ENTRIES = CLUSTER / 8;
/** What a cluster takes up when compressed, in sectors after the first one; 40 sectors a cluster here. */
const MORE_SECTORS = 39;

const shape: L2Shape = {
  clusterBits: 16,
  clusterSize: CLUSTER,
  entrySize: 8,
  version: 3,
  codec: 'deflate',
  virtualSize: TiB,
  dataFileSize: 2 ** 40,
  hasDataFile: false,
  hasBacking: false,
  isEncrypted: false,
  fileSize: TiB,
};

/** A table; `entryOf` gives the two halves of each entry. */
function table(entryOf: (index: number) => readonly [high: number, low: number]): DataView {
  const view = new DataView(new ArrayBuffer(CLUSTER));
  for (let index = 0; index < ENTRIES; index++) {
    const [high, low] = entryOf(index);
    view.setUint32(index * 8, high);
    view.setUint32(index * 8 + 4, low);
  }
  return view;
}

/** Bits 54 to 61 of a compressed entry count the additional sectors. */
const packedHigh = (EntryHigh.compressed | (MORE_SECTORS << 22)) >>> 0;

const tables = {
  'no cluster stored': table(() => [0, 0]),
  'all stored in a row': table((index) => [EntryHigh.copied, (index + 1) * CLUSTER]),
  'every second stored': table((index) =>
    index % 2 === 0 ? [EntryHigh.copied, (index + 1) * CLUSTER] : [0, 0],
  ),
  'all compressed': table((index) => [packedHigh, (index + 1) * (MORE_SECTORS + 1) * 512]),
};

for (const [name, view] of Object.entries(tables)) {
  const source = { view, fileOffset: CLUSTER, guestOffset: 0 };
  await measure(`L2 entries into merged extents, ${name}`, { amount: ENTRIES, unit: 'entries' }, () => {
    let count = 0;
    for (const _ of mergeNeighbours(l2Extents(source, shape, 0, ENTRIES * CLUSTER))) count += 1;
    return count;
  });
}
