/**
 * Gives an image a longer L1 table: it is appended to the file, with the refcounts of what is appended, and takes effect
 * with the header. A refcount table that is too short moves with it.
 */

import { alignDown, alignUp, ceilDiv, SECTOR } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import type { ByteEditor } from '../../io/editor.ts';
import { corrupt, type Qcow2Header } from './header.ts';
import { refcountDecoder, refcountEncoder } from './refcounts.ts';
import { type BaseHeader, EntryHigh, MAX_REFCOUNT_TABLE_BYTES } from './structs.ts';
import { NO_FLAGS, setEntry } from './tables.ts';

/** New tables that are in the file, and counted, but which no header tells of yet. */
export interface MovedTables {
  readonly fields: Pick<
    BaseHeader,
    'l1Size' | 'l1TableOffset' | 'refcountTableOffset' | 'refcountTableClusters'
  >;
  /** Gives the clusters of the old ones back, when the new header is on the disk. */
  release(): Promise<void>;
}

/** A run of clusters of the file. */
interface Clusters {
  readonly first: number;
  readonly count: number;
}

/** What is appended, in this order. */
interface Plan {
  readonly first: number;
  readonly l1Clusters: number;
  /** The refcount blocks, by their index, that have to be made. */
  readonly newBlocks: readonly number[];
  /** Clusters of the new refcount table; 0 where the old one serves. */
  readonly tableClusters: number;
}

/** @throws OptionError `bad-size` when the refcounts would pass the format's limit, before anything is written */
export async function appendL1(file: ByteEditor, header: Qcow2Header, l1Size: number): Promise<MovedTables> {
  const { clusterSize } = header;
  const table = await readRefcountTable(file, header);
  const plan = planAppend(file, header, table, l1Size);
  const { first, l1Clusters, newBlocks, tableClusters } = plan;
  const blocksAt = first + l1Clusters;
  const tableAt = blocksAt + newBlocks.length;
  const appended: Clusters = { first, count: tableAt + tableClusters - first };
  const oldL1: Clusters = {
    first: header.l1TableOffset / clusterSize,
    count: ceilDiv(header.l1Size * 8, clusterSize),
  };
  const oldTable: Clusters = {
    first: header.refcountTableOffset / clusterSize,
    count: tableClusters > 0 ? header.refcountTableClusters : 0,
  };
  for (const clusters of [appended, oldL1, oldTable]) requireBlocks(file, header, table, clusters);

  const grownTable = new Uint8Array(Math.max(table.byteLength, tableClusters * clusterSize));
  grownTable.set(new Uint8Array(table.buffer));
  const grown = new DataView(grownTable.buffer);
  newBlocks.forEach((index, i) => {
    setEntry(grown, index * 8, (blocksAt + i) * clusterSize, NO_FLAGS);
  });

  const l1 = new Uint8Array(l1Clusters * clusterSize);
  await file.read(l1.subarray(0, header.l1Size * 8), header.l1TableOffset);
  await file.write(l1, first * clusterSize);
  await file.write(new Uint8Array((appended.count - l1Clusters) * clusterSize), blocksAt * clusterSize);
  if (tableClusters > 0) await file.write(grownTable, tableAt * clusterSize);
  const counts = refcountsOf(file, header, grown);
  await counts.change(appended, 1);
  await file.flush();
  if (tableClusters === 0 && newBlocks.length > 0) {
    const from = alignDown((newBlocks[0] as number) * 8, SECTOR);
    const to = alignUp(((newBlocks.at(-1) as number) + 1) * 8, SECTOR);
    await file.write(grownTable.subarray(from, to), header.refcountTableOffset + from);
    await file.flush();
  }

  return {
    fields: {
      l1Size,
      l1TableOffset: first * clusterSize,
      refcountTableOffset: tableClusters > 0 ? tableAt * clusterSize : header.refcountTableOffset,
      refcountTableClusters: tableClusters > 0 ? tableClusters : header.refcountTableClusters,
    },
    async release() {
      await counts.change(oldL1, -1);
      await counts.change(oldTable, -1);
      await file.flush();
    },
  };
}

/** The file may end within the last cluster of the table. */
async function readRefcountTable(file: ByteEditor, header: Qcow2Header): Promise<DataView<ArrayBuffer>> {
  const { clusterSize, refcountTableOffset, refcountTableClusters } = header;
  const bytes = new Uint8Array(refcountTableClusters * clusterSize);
  await file.read(
    bytes.subarray(0, Math.min(bytes.length, file.size - refcountTableOffset)),
    refcountTableOffset,
  );
  return new DataView(bytes.buffer);
}

/** Refcounts count the clusters of refcounts too: the plan grows until all are counted. */
function planAppend(file: ByteEditor, header: Qcow2Header, table: DataView, l1Size: number): Plan {
  const { clusterSize } = header;
  const perBlock = clustersPerBlock(header);
  const first = ceilDiv(file.size, clusterSize);
  const l1Clusters = ceilDiv(l1Size * 8, clusterSize);
  let plan: Plan = { first, l1Clusters, newBlocks: [], tableClusters: 0 };
  for (;;) {
    const end = first + l1Clusters + plan.newBlocks.length + plan.tableClusters;
    const newBlocks: number[] = [];
    const lastBlock = Math.floor((end - 1) / perBlock);
    for (let index = Math.floor(first / perBlock); index <= lastBlock; index++) {
      if (blockOffset(table, index) === 0) newBlocks.push(index);
    }
    const bytes = (lastBlock + 1) * 8;
    if (bytes > MAX_REFCOUNT_TABLE_BYTES) throw tooLarge(bytes);
    const tableClusters = bytes > table.byteLength ? ceilDiv(bytes, clusterSize) : 0;
    const isStable = newBlocks.length === plan.newBlocks.length && tableClusters === plan.tableClusters;
    plan = { first, l1Clusters, newBlocks, tableClusters };
    if (isStable) return plan;
  }
}

const clustersPerBlock = ({ clusterSize, refcountOrder }: Qcow2Header): number =>
  (clusterSize * 8) / 2 ** refcountOrder;

/** Where a refcount block stands, 0 for none. */
const blockOffset = (table: DataView, index: number): number =>
  index * 8 < table.byteLength
    ? (table.getUint32(index * 8) & EntryHigh.offset) * 2 ** 32 + table.getUint32(index * 8 + 4)
    : 0;

/** @throws CorruptImageError `bad-reference` when a refcount block that will be written is not one */
function requireBlocks(
  file: ByteEditor,
  header: Qcow2Header,
  table: DataView,
  { first, count }: Clusters,
): void {
  const perBlock = clustersPerBlock(header);
  for (let index = Math.floor(first / perBlock); index * perBlock < first + count; index++) {
    const offset = blockOffset(table, index);
    if (offset === 0 || (offset % header.clusterSize === 0 && offset < file.size)) continue;
    const message = `The refcount block at byte ${offset} is not a cluster of the file.`;
    throw corrupt('bad-reference', message, header.refcountTableOffset + index * 8);
  }
}

/** Changes refcounts in place, in the blocks that the table tells. */
function refcountsOf(file: ByteEditor, header: Qcow2Header, table: DataView) {
  const { clusterSize, refcountOrder } = header;
  const perBlock = clustersPerBlock(header);
  const get = refcountDecoder(refcountOrder);
  const set = refcountEncoder(refcountOrder);

  /** Changes those of [from, to) within one block. */
  async function changeInBlock(index: number, from: number, to: number, by: 1 | -1): Promise<void> {
    const fileOffset = blockOffset(table, index);
    if (fileOffset === 0) return;
    const start = alignDown(Math.floor((from * 2 ** refcountOrder) / 8), SECTOR);
    const end = alignUp(Math.ceil((to * 2 ** refcountOrder) / 8), SECTOR);
    const block = new Uint8Array(clusterSize);
    await file.read(block.subarray(0, Math.min(clusterSize, file.size - fileOffset)), fileOffset);
    const view = new DataView(block.buffer);
    // What is appended has had no owner; what is released had one.
    for (let entry = from; entry < to; entry++) {
      set(view, entry, by === 1 ? 1 : Math.max(0, get(view, entry) - 1));
    }
    await file.write(block.subarray(start, end), fileOffset + start);
  }

  return {
    async change({ first, count }: Clusters, by: 1 | -1): Promise<void> {
      const end = first + count;
      for (let at = first; at < end; ) {
        const index = Math.floor(at / perBlock);
        const to = Math.min(end, (index + 1) * perBlock);
        await changeInBlock(index, at - index * perBlock, to - index * perBlock, by);
        at = to;
      }
    },
  };
}

const tooLarge = (bytes: number): OptionError =>
  new OptionError('bad-size', `The refcount table would take ${bytes} bytes.`, {
    format: 'qcow2',
    hint: 'At most 8 MiB are possible: convert it with a larger cluster_size.',
  });
