/** What both writers of qcow2 share: where the tables stand behind the data, the header, and the entries. */

import { alignUp, ceilDiv } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import {
  type Allocation,
  createAllocationBits,
  freezeAllocation,
  markStored,
} from '../../image/allocation.ts';
import type { OverlayBase } from '../../image/overlay.ts';
import { MAX_BLOCKS, type WriterContext } from '../../image/writer.ts';
import { encryptionHeader, LUKS, LUKS_BYTES } from './encryption.ts';
import {
  additionalHeader,
  baseHeader,
  type CompressionType,
  compressionTypes,
  EntryHigh,
  ExtensionType,
  extensionHeader,
  featureHeader,
  Incompatible,
  MAGIC,
  MAX_BACKING_NAME,
  MAX_L1_BYTES,
  MIN_V3_HEADER_LENGTH,
} from './structs.ts';

export interface Qcow2Options {
  readonly clusterSize: number;
  readonly compat: '0.10' | '1.1';
  readonly compressionType: CompressionType;
  readonly compressionLevel: number | undefined;
  readonly encryptFormat: 'luks' | undefined;
}

/** Refcounts have 16 bits: the only width of version 2, and the usual one of version 3. */
export const REFCOUNT_BYTES = 2;
const REFCOUNT_ORDER = 4;
const ENTRY_BYTES = 8;

/** What follows from size and options alone. */
export interface Qcow2Shape {
  readonly virtualSize: number;
  readonly options: Qcow2Options;
  readonly clusterCount: number;
  /** Entries of an L2 table. */
  readonly l2Entries: number;
  /** Entries of the L1 table. */
  readonly l1Size: number;
  /** The image below, for an overlay. */
  readonly base: OverlayBase | undefined;
  /** File offset of the first data cluster: behind the header, and the LUKS header of an encrypted image. */
  readonly dataStart: number;
}

/** @throws OptionError `bad-size` when the tables would pass the format's limits; `bad-option` for zstd in 0.10 */
export function qcow2Shape(virtualSize: number, options: Qcow2Options, { base }: WriterContext): Qcow2Shape {
  const { clusterSize, compat, compressionType, encryptFormat } = options;
  if (compat === '0.10' && compressionType === 'zstd') {
    const message = 'compat=0.10 knows no compression_type=zstd.';
    throw new OptionError('bad-option', message, { format: 'qcow2', hint: 'Use compat=1.1, or zlib.' });
  }
  const clusterCount = ceilDiv(virtualSize, clusterSize);
  const l2Entries = clusterSize / ENTRY_BYTES;
  const l1Size = Math.max(1, ceilDiv(clusterCount, l2Entries));
  if (l1Size * ENTRY_BYTES > MAX_L1_BYTES || clusterCount > MAX_BLOCKS) {
    const message = `A disk of ${virtualSize} bytes has too many clusters of ${clusterSize} bytes.`;
    throw new OptionError('bad-size', message, { format: 'qcow2', hint: 'Choose a larger cluster_size.' });
  }
  const dataStart = clusterSize + (encryptFormat ? alignUp(LUKS_BYTES, clusterSize) : 0);
  return { virtualSize, options, clusterCount, l2Entries, l1Size, base, dataStart };
}

/** Which L2 tables have an entry to hold. */
export function usedL2Tables(
  { clusterCount, l2Entries, l1Size }: Qcow2Shape,
  allocation: Allocation,
): Allocation {
  const used = createAllocationBits(l1Size);
  for (let index = 0; index < ceilDiv(clusterCount, l2Entries); index++) {
    const end = Math.min((index + 1) * l2Entries, clusterCount);
    if (allocation.hasAny(index * l2Entries, end)) markStored(used, index);
  }
  return freezeAllocation(used);
}

/** Where the tables stand: L2 tables, L1 table, refcount table, refcount blocks, each on a cluster. */
export interface TableMap {
  readonly l2Offset: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  readonly refcountBlocksOffset: number;
  readonly refcountBlockCount: number;
  /** Clusters of the whole file. */
  readonly totalClusters: number;
}

/** @param dataEnd file offset behind the data, a multiple of the cluster size */
export function mapTables(shape: Qcow2Shape, dataEnd: number, l2Count: number): TableMap {
  const { clusterSize } = shape.options;
  const l1Offset = dataEnd + l2Count * clusterSize;
  const refcountTableOffset = l1Offset + ceilDiv(shape.l1Size * ENTRY_BYTES, clusterSize) * clusterSize;
  const clustersBefore = refcountTableOffset / clusterSize;
  // Refcounts count the clusters of refcounts too: grow until all are covered.
  let refcountBlockCount = 0;
  let refcountTableClusters = 0;
  let totalClusters = clustersBefore;
  while (refcountBlockCount * refcountsPerBlock(clusterSize) < totalClusters) {
    refcountBlockCount = ceilDiv(totalClusters, refcountsPerBlock(clusterSize));
    refcountTableClusters = ceilDiv(refcountBlockCount * ENTRY_BYTES, clusterSize);
    totalClusters = clustersBefore + refcountTableClusters + refcountBlockCount;
  }
  return {
    l2Offset: dataEnd,
    l1Offset,
    refcountTableOffset,
    refcountTableClusters,
    refcountBlocksOffset: refcountTableOffset + refcountTableClusters * clusterSize,
    refcountBlockCount,
    totalClusters,
  };
}

export const refcountsPerBlock = (clusterSize: number): number => clusterSize / REFCOUNT_BYTES;

/** The header cluster. @throws OptionError `bad-option` for the name of a base that does not fit into it */
export function headerCluster(shape: Qcow2Shape, tables: TableMap): Uint8Array {
  const { clusterSize, compat, compressionType, encryptFormat } = shape.options;
  const cluster = new Uint8Array(clusterSize);
  const headerLength = compat === '0.10' ? baseHeader.size : MIN_V3_HEADER_LENGTH + additionalHeader.size;
  const extensionsEnd = setExtensions(cluster, headerLength, extensionsOf(shape));
  const name = shape.base && setBaseName(cluster, extensionsEnd, shape.base);
  cluster.set(
    baseHeader.encode({
      magic: MAGIC,
      version: compat === '0.10' ? 2 : 3,
      backingFileOffset: name?.offset ?? 0,
      backingFileSize: name?.length ?? 0,
      clusterBits: Math.log2(clusterSize),
      size: shape.virtualSize,
      cryptMethod: encryptFormat ? LUKS : 0,
      l1Size: shape.l1Size,
      l1TableOffset: tables.l1Offset,
      refcountTableOffset: tables.refcountTableOffset,
      refcountTableClusters: tables.refcountTableClusters,
      nbSnapshots: 0,
      snapshotsOffset: 0,
    }),
  );
  if (compat === '0.10') return cluster;
  const features = featureHeader.encode({
    incompatibleFeatures: compressionType === 'zlib' ? 0n : Incompatible.compressionType,
    compatibleFeatures: 0n,
    autoclearFeatures: 0n,
    refcountOrder: REFCOUNT_ORDER,
    headerLength,
  });
  cluster.set(features, baseHeader.size);
  const additional = { compressionType: compressionTypes[compressionType], padding: new Uint8Array(7) };
  cluster.set(additionalHeader.encode(additional), MIN_V3_HEADER_LENGTH);
  return cluster;
}

/** QEMU's own names of formats, where they are others than ours. */
const QEMU_NAMES: Readonly<Record<string, string>> = { vhd: 'vpc' };

interface HeaderExtension {
  readonly type: number;
  readonly data: Uint8Array;
}

function extensionsOf({ base, options: { clusterSize, encryptFormat } }: Qcow2Shape): HeaderExtension[] {
  const extensions: HeaderExtension[] = [];
  if (base) {
    const data = new TextEncoder().encode(QEMU_NAMES[base.format] ?? base.format);
    extensions.push({ type: ExtensionType.backingFormat, data });
  }
  if (encryptFormat) {
    const data = encryptionHeader.encode({ offset: clusterSize, length: LUKS_BYTES });
    extensions.push({ type: ExtensionType.encryptionHeader, data });
  }
  return extensions;
}

/** Writes header extensions and their end; returns where that is. */
function setExtensions(cluster: Uint8Array, start: number, extensions: readonly HeaderExtension[]): number {
  let at = start;
  for (const { type, data } of [...extensions, { type: ExtensionType.end, data: new Uint8Array(0) }]) {
    cluster.set(extensionHeader.encode({ type, length: data.length }), at);
    cluster.set(data, at + extensionHeader.size);
    at += extensionHeader.size + alignUp(data.length, 8);
  }
  return at;
}

/** Writes the name of the base behind the extensions. */
function setBaseName(
  cluster: Uint8Array,
  offset: number,
  { name }: OverlayBase,
): { readonly offset: number; readonly length: number } {
  const fileName = new TextEncoder().encode(name);
  const room = Math.min(MAX_BACKING_NAME, cluster.length - offset);
  if (fileName.length === 0 || fileName.length > room) {
    const message = `The name of the backing file has ${fileName.length} bytes.`;
    const hint = `1 to ${room} are possible. A shorter name may be one relative to the folder of the image.`;
    throw new OptionError('bad-option', message, { format: 'qcow2', hint });
  }
  cluster.set(fileName, offset);
  return { offset, length: fileName.length };
}

/** Writes an L1 entry, an L2 entry of a standard cluster or a refcount table entry. */
export function setEntry(view: DataView, at: number, offset: number, highFlags: number): void {
  view.setUint32(at, (Math.floor(offset / 2 ** 32) | highFlags) >>> 0);
  view.setUint32(at + 4, offset % 2 ** 32);
}

/** Flags of an entry whose cluster has a refcount of one. */
export const COPIED = EntryHigh.copied;
/** Refcount table entries have none. */
export const NO_FLAGS = 0;
