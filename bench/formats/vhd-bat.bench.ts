/** Reading and checking a block allocation table: the largest that a VHD has, 2040 GiB in blocks of 2 MiB. */

import { GiB, MiB, SECTOR } from '../../src/binary/align.ts';
import { readBlockTable } from '../../src/formats/vhd/block-table.ts';
import { UNUSED_ENTRY } from '../../src/formats/vhd/structs.ts';
import type { ByteSource } from '../../src/io/source.ts';
import { randomStream } from '../content.ts';
import { measure } from '../timing.ts';

const BLOCK = 2 * MiB;
const ENTRIES = (2040 * GiB) / BLOCK;
const TABLE_OFFSET = 1536;
const STRIDE = BLOCK + SECTOR;
const DATA_START = TABLE_OFFSET + ENTRIES * 4;
const DATA_END = DATA_START + ENTRIES * STRIDE;

/** A file of which only the table is there. */
function sourceOf(entries: readonly number[]): ByteSource {
  const bytes = new Uint8Array(ENTRIES * 4);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, index) => {
    view.setUint32(index * 4, entry);
  });
  return {
    name: 'table',
    size: DATA_END,
    read: async (into) => into.set(bytes.subarray(0, into.length)),
    close: async () => {},
  };
}

/** The numbers below `count` in random order. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  const random = randomStream(1);
  for (let last = count - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}

const sectorOf = (place: number): number => (DATA_START + place * STRIDE) / SECTOR;
const inOrder = Array.from({ length: ENTRIES }, (_, index) => index);

const tables = {
  'no block stored': inOrder.map(() => UNUSED_ENTRY),
  'all stored in order': inOrder.map(sectorOf),
  'all stored in random order': shuffled(ENTRIES).map(sectorOf),
};

for (const [name, entries] of Object.entries(tables)) {
  const source = sourceOf(entries);
  await measure(`BAT, ${name}`, { amount: ENTRIES, unit: 'entries' }, () =>
    readBlockTable(source, {
      tableOffset: TABLE_OFFSET,
      entryCount: ENTRIES,
      blockSize: BLOCK,
      bitmapSize: SECTOR,
      virtualSize: ENTRIES * BLOCK,
      fileSize: DATA_END,
      reserved: [{ what: 'the table', start: TABLE_OFFSET, end: DATA_START }],
    }),
  );
}
