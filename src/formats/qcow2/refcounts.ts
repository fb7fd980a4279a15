/** The refcounts that a file stores (`docs/interop/qcow2.txt`, "Host cluster management"), of 1 to 64 bits each. */

import { alignUp, isAligned, MiB } from '../../binary/align.ts';
import type { FindingReport } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import type { Qcow2Header } from './header.ts';
import { EntryHigh, MAX_REFCOUNT_TABLE_BYTES } from './structs.ts';

/** Memory for refcount blocks that have been read, in bytes. */
const CACHE_BYTES = 8 * MiB;

/** A refcount block in memory. */
interface RefcountBlock {
  readonly index: number;
  readonly view: DataView;
}

export interface StoredRefcounts {
  /** Places of the refcount blocks by their index, 0 for none or one that is not usable. */
  readonly blockOffsets: Float64Array;
  /** Clusters that one block is about. */
  readonly perBlock: number;
  /** Reads the block that {@link StoredRefcounts.get} needs for `cluster`, unless it is there. */
  seek(cluster: number): Promise<void>;
  /** Is the block of `cluster` the one that was sought last? */
  isAt(cluster: number): boolean;
  /** The refcount of a cluster in the block that was sought last. */
  get(cluster: number): number;
}

/** Reads the table; blocks come through a small cache. */
export async function storedRefcounts(
  source: ByteSource,
  header: Qcow2Header,
  report: FindingReport,
): Promise<StoredRefcounts> {
  const { clusterSize, refcountOrder } = header;
  const blockOffsets = await readRefcountTable(source, header, report);
  const perBlock = (clusterSize * 8) / 2 ** refcountOrder;
  const capacity = Math.max(4, Math.floor(CACHE_BYTES / clusterSize));
  const cache = new Map<number, RefcountBlock>();
  const decode = refcountDecoder(refcountOrder);
  let current: RefcountBlock | undefined;

  async function load(index: number): Promise<RefcountBlock> {
    const known = cache.get(index);
    if (known) return known;
    const fileOffset = blockOffsets[index] ?? 0;
    // The file may end within its last cluster; a block that is not there says 0 for everything.
    const bytes = new Uint8Array(fileOffset === 0 ? 0 : clusterSize);
    await source.read(bytes.subarray(0, Math.min(bytes.length, source.size - fileOffset)), fileOffset);
    const block = { index, view: new DataView(bytes.buffer) };
    if (cache.size >= capacity) cache.delete(cache.keys().next().value as number);
    cache.set(index, block);
    return block;
  }

  const indexOf = (cluster: number): number => Math.floor(cluster / perBlock);
  const isAt = (cluster: number): boolean => current?.index === indexOf(cluster);
  return {
    blockOffsets,
    perBlock,
    isAt,
    async seek(cluster) {
      if (!isAt(cluster)) current = await load(indexOf(cluster));
    },
    get(cluster) {
      const { view } = current as RefcountBlock;
      return view.byteLength === 0 ? 0 : decode(view, cluster % perBlock);
    },
  };
}

/** Entries of less than a byte fill it from its least significant bit on. */
export function refcountDecoder(order: number): (view: DataView, entry: number) => number {
  switch (order) {
    case 3:
      return (view, entry) => view.getUint8(entry);
    case 4:
      return (view, entry) => view.getUint16(entry * 2);
    case 5:
      return (view, entry) => view.getUint32(entry * 4);
    case 6:
      return (view, entry) => Number(view.getBigUint64(entry * 8));
    default: {
      const bits = 2 ** order;
      const perByte = 8 / bits;
      return (view, entry) =>
        (view.getUint8(Math.floor(entry / perByte)) >> ((entry % perByte) * bits)) & (2 ** bits - 1);
    }
  }
}

/** The inverse. */
export function refcountEncoder(order: number): (view: DataView, entry: number, refcount: number) => void {
  switch (order) {
    case 3:
      return (view, entry, refcount) => view.setUint8(entry, refcount);
    case 4:
      return (view, entry, refcount) => view.setUint16(entry * 2, refcount);
    case 5:
      return (view, entry, refcount) => view.setUint32(entry * 4, refcount);
    case 6:
      return (view, entry, refcount) => view.setBigUint64(entry * 8, BigInt(refcount));
    default: {
      const bits = 2 ** order;
      const perByte = 8 / bits;
      return (view, entry, refcount) => {
        const at = Math.floor(entry / perByte);
        const shift = (entry % perByte) * bits;
        const others = view.getUint8(at) & ~((2 ** bits - 1) << shift);
        view.setUint8(at, others | (refcount << shift));
      };
    }
  }
}

async function readRefcountTable(
  source: ByteSource,
  header: Qcow2Header,
  report: FindingReport,
): Promise<Float64Array> {
  const { clusterSize, refcountTableOffset: tableOffset, refcountTableClusters } = header;
  if (!isTable(source, header, report)) return new Float64Array(0);
  const length = Math.min(refcountTableClusters * clusterSize, MAX_REFCOUNT_TABLE_BYTES);
  const bytes = new Uint8Array(length);
  await source.read(bytes.subarray(0, Math.min(length, source.size - tableOffset)), tableOffset);
  const view = new DataView(bytes.buffer);
  const offsets = new Float64Array(length / 8);
  for (let index = 0; index < offsets.length; index++) {
    const high = view.getUint32(index * 8);
    const low = view.getUint32(index * 8 + 4);
    if (high === 0 && low === 0) continue;
    const place = { fileOffset: tableOffset + index * 8 };
    // Bits 0 to 8 are reserved; the others are the offset, of which no file needs the upper eight.
    if (low % 512 !== 0) {
      report.corruption('reserved-bits', () => 'Reserved bits are set in a refcount table entry.', place);
    }
    const offset = high * 2 ** 32 + low - (low % 512);
    if ((high & ~EntryHigh.offset) !== 0 || offset + clusterSize > alignUp(source.size, clusterSize)) {
      report.corruption(
        'past-end',
        () => `Refcount block ${index} at byte ${offset} is past the end.`,
        place,
      );
      continue;
    }
    if (!isAligned(offset, clusterSize)) {
      report.corruption('unaligned', () => `Refcount block ${index} is not on a cluster.`, place);
      continue;
    }
    offsets[index] = offset;
  }
  return offsets;
}

/** Can the table be read at all? */
function isTable(source: ByteSource, header: Qcow2Header, report: FindingReport): boolean {
  const { clusterSize, refcountTableOffset: offset, refcountTableClusters: clusters } = header;
  const size = clusters * clusterSize;
  if (clusters === 0 || size > MAX_REFCOUNT_TABLE_BYTES) {
    const message = () => `The refcount table has ${clusters} clusters, expected 1 or more, up to 8 MiB.`;
    report.corruption('bad-table', message, { fileOffset: 56 });
  }
  if (offset === 0 || !isAligned(offset, clusterSize)) {
    const message = () => `The refcount table at ${offset} is not on a cluster.`;
    report.corruption('unaligned', message, { fileOffset: 48 });
    return false;
  }
  if (offset + size > alignUp(source.size, clusterSize)) {
    const message = () => `The refcount table ends at byte ${offset + size}, past the end of the file.`;
    report.corruption('past-end', message, { fileOffset: 48 });
  }
  return offset < source.size;
}
