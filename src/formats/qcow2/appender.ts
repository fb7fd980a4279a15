/**
 * File map of the compressed qcow2 images that we write:
 *
 *     header (1 cluster) │ clusters in guest order │ padding │ L2 tables │ L1 table │ refcount table │ refcount blocks
 *
 * Compressed clusters follow each other byte by byte; one that would not get smaller is stored as it is, in a cluster
 * of the file that is its own. Compressed ones then go on filling the cluster before it.
 */

import { alignUp } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import {
  type Appender,
  levelFor,
  type Placement,
  type StoredBlock,
  type StoredBlocks,
} from '../../image/appender.ts';
import type { Frontier } from '../../image/frontier.ts';
import type { WriterContext } from '../../image/writer.ts';
import { EntryHigh } from './structs.ts';
import {
  COPIED,
  headerCluster,
  mapTables,
  NO_FLAGS,
  type Qcow2Options,
  type Qcow2Shape,
  qcow2Shape,
  refcountsPerBlock,
  setEntry,
  type TableMap,
  usedL2Tables,
} from './tables.ts';

/** @throws OptionError */
export function qcow2Appender(virtualSize: number, options: Qcow2Options, context: WriterContext): Appender {
  if (options.encryptFormat) {
    throw new OptionError('bad-option', 'Compressed clusters are not encrypted.', {
      format: 'qcow2',
      hint: 'Leave compression or encrypt.format out.',
    });
  }
  const shape = qcow2Shape(virtualSize, options, context);
  const { clusterSize, compressionType, compressionLevel } = options;
  const codec = compressionType === 'zstd' ? 'zstd' : 'deflate';
  return {
    kind: 'appender',
    virtualSize,
    unit: clusterSize,
    dataStart: clusterSize,
    isHeadLast: true,
    codec,
    level: levelFor(codec, compressionLevel, 'qcow2'),
    storesIncompressible: true,
    place: (frontier, payloadLength) => placeCluster(clusterSize, frontier, payloadLength),
    frame: (_, payload) => [payload],
    head: (stored) =>
      headerCluster(shape, mapTables(shape, stored.dataEnd, l2TableIndexes(shape, stored).length)),
    *tail(stored) {
      const indexes = l2TableIndexes(shape, stored);
      const tables = mapTables(shape, stored.dataEnd, indexes.length);
      yield* l2Tables(shape, stored);
      yield l1Table(shape, indexes, tables);
      yield refcountTable(shape, tables);
      yield* refcountBlocks(shape, stored, tables);
    },
    // Each record moves the end of the file by a cluster at most: what does not compress is stored as it is.
    maxFileSize(stored) {
      const dataEnd = (1 + stored.storedCount) * clusterSize;
      return mapTables(shape, dataEnd, usedL2Tables(shape, stored).storedCount).totalClusters * clusterSize;
    },
  };
}

/** The end of the frontier is always on a cluster boundary; its open cluster may be any before that. */
function placeCluster(clusterSize: number, { end, open }: Frontier, payloadLength: number): Placement {
  if (payloadLength === clusterSize) {
    const next = { end: end + clusterSize, open: open === end ? end + clusterSize : open };
    return { fileOffset: end, end: end + clusterSize, next };
  }
  const fits = open + payloadLength <= alignUp(open, clusterSize);
  const fileOffset = fits || alignUp(open, clusterSize) === end ? open : end;
  const recordEnd = fileOffset + payloadLength;
  return {
    fileOffset,
    end: recordEnd,
    next: { end: Math.max(end, alignUp(recordEnd, clusterSize)), open: recordEnd },
  };
}

/** The indexes of the L2 tables that have an entry to hold, ascending. */
function l2TableIndexes({ l2Entries }: Qcow2Shape, stored: StoredBlocks): number[] {
  const used: number[] = [];
  for (const { block } of stored.records()) {
    const index = Math.floor(block / l2Entries);
    if (index !== used.at(-1)) used.push(index);
  }
  return used;
}

function* l2Tables(shape: Qcow2Shape, stored: StoredBlocks): Generator<Uint8Array> {
  const { l2Entries, options } = shape;
  let index = -1;
  let view = new DataView(new ArrayBuffer(0));
  for (const record of stored.records()) {
    const own = Math.floor(record.block / l2Entries);
    if (own !== index) {
      if (index >= 0) yield new Uint8Array(view.buffer);
      index = own;
      view = new DataView(new ArrayBuffer(options.clusterSize));
    }
    setL2Entry(view, (record.block % l2Entries) * 8, record, options.clusterSize);
  }
  if (index >= 0) yield new Uint8Array(view.buffer);
}

/** A compressed cluster's entry has its offset below, and above it the number of further sectors that it touches. */
function setL2Entry(view: DataView, at: number, record: StoredBlock, clusterSize: number): void {
  const { fileOffset, end, payloadLength } = record;
  if (payloadLength === clusterSize) {
    setEntry(view, at, fileOffset, COPIED);
    return;
  }
  const moreSectors = Math.floor((end - 1) / 512) - Math.floor(fileOffset / 512);
  const offsetBits = 62 - (Math.log2(clusterSize) - 8);
  setEntry(view, at, fileOffset, EntryHigh.compressed | (moreSectors * 2 ** (offsetBits - 32)));
}

function l1Table(shape: Qcow2Shape, l2Indexes: readonly number[], tables: TableMap): Uint8Array {
  const { clusterSize } = shape.options;
  const table = new Uint8Array(tables.refcountTableOffset - tables.l1Offset);
  const view = new DataView(table.buffer);
  l2Indexes.forEach((index, rank) => {
    setEntry(view, index * 8, tables.l2Offset + rank * clusterSize, COPIED);
  });
  return table;
}

function refcountTable(shape: Qcow2Shape, tables: TableMap): Uint8Array {
  const { clusterSize } = shape.options;
  const table = new Uint8Array(tables.refcountTableClusters * clusterSize);
  const view = new DataView(table.buffer);
  for (let index = 0; index < tables.refcountBlockCount; index++) {
    setEntry(view, index * 8, tables.refcountBlocksOffset + index * clusterSize, NO_FLAGS);
  }
  return table;
}

function* refcountBlocks(shape: Qcow2Shape, stored: StoredBlocks, tables: TableMap): Generator<Uint8Array> {
  const { clusterSize } = shape.options;
  const perBlock = refcountsPerBlock(clusterSize);
  let view = new DataView(new ArrayBuffer(clusterSize));
  let cluster = 0;
  for (const refcount of refcounts(clusterSize, stored, tables.totalClusters)) {
    view.setUint16((cluster % perBlock) * 2, refcount);
    cluster += 1;
    if (cluster % perBlock !== 0) continue;
    yield new Uint8Array(view.buffer);
    view = new DataView(new ArrayBuffer(clusterSize));
  }
  if (cluster % perBlock !== 0) yield new Uint8Array(view.buffer);
}

/**
 * The refcount of each cluster of the file. Compressed clusters share the open one, whose count is known only when it
 * is left; clusters that are stored as they are may have been placed behind it by then.
 */
function* refcounts(clusterSize: number, stored: StoredBlocks, totalClusters: number): Generator<number> {
  yield 1; // the header
  /** Clusters whose refcounts have been told; the open one, if there is one, is the next. */
  let told = 1;
  /** Refcount of the open cluster, 0 for none, and clusters behind it that stand on their own. */
  let shared = 0;
  let behind = 0;

  function* leaveOpen(): Generator<number> {
    if (shared === 0) return;
    yield shared;
    for (let own = 0; own < behind; own++) yield 1;
    told += 1 + behind;
    shared = 0;
    behind = 0;
  }

  for (const { fileOffset, end, payloadLength } of stored.records()) {
    if (payloadLength === clusterSize) {
      if (shared > 0) {
        behind += 1;
      } else {
        yield 1;
        told += 1;
      }
      continue;
    }
    const last = Math.floor((end - 1) / clusterSize);
    if (Math.floor(fileOffset / clusterSize) !== told) yield* leaveOpen();
    shared += 1;
    if (last === told) continue;
    yield* leaveOpen();
    shared = 1;
  }
  yield* leaveOpen();
  for (; told < totalClusters; told++) yield 1;
}
