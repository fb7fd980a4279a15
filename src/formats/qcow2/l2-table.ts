/**
 * L2 tables into extents (`docs/interop/qcow2.txt`, "L2 table entry", "Extended L2 Entries"). Entries are looked at
 * in place, in two halves of 32 bits, because flags and offsets together do not fit into a safe integer.
 */

import { alignUp, SECTOR } from '../../binary/align.ts';
import type { CodecName } from '../../codecs/index.ts';
import type { OwnExtent } from '../../image/extent.ts';
import { corrupt } from './header.ts';
import { EntryHigh, EntryLow, SUBCLUSTERS } from './structs.ts';

export interface L2Shape {
  readonly clusterBits: number;
  readonly clusterSize: number;
  readonly entrySize: number;
  /** Version 2 has no zero flag. */
  readonly version: number;
  readonly codec: CodecName;
  readonly virtualSize: number;
  /** Of the image file, and of the file in which data clusters stand. */
  readonly fileSize: number;
  readonly dataFileSize: number;
  /** Do data clusters stand in another file? */
  readonly hasDataFile: boolean;
  /** Does a backing file show where there is no cluster? */
  readonly hasBacking: boolean;
  /** Are data clusters enciphered? */
  readonly isEncrypted: boolean;
}

/** A table in memory, and where it belongs. */
export interface L2Table {
  readonly view: DataView;
  readonly fileOffset: number;
  /** Guest offset of its first entry. */
  readonly guestOffset: number;
}

/** The extents that the entries of [from, to) say, cluster by cluster; both are guest offsets of clusters. */
export function* l2Extents(table: L2Table, shape: L2Shape, from: number, to: number): Generator<OwnExtent> {
  const { clusterSize, entrySize } = shape;
  for (let guestOffset = from; guestOffset < to; guestOffset += clusterSize) {
    const at = ((guestOffset - table.guestOffset) / clusterSize) * entrySize;
    const high = table.view.getUint32(at);
    const low = table.view.getUint32(at + 4);
    const place = { fileOffset: table.fileOffset + at, guestOffset };
    const length = Math.min(clusterSize, to - guestOffset);
    if ((high & EntryHigh.compressed) !== 0) yield packedExtent(high, low, shape, place, length);
    else if (entrySize === 16) yield* subclusterExtents(table.view, at, shape, place, length);
    else yield standardExtent(high, low, shape, place, length);
  }
}

interface Place {
  /** Of the table entry. */
  readonly fileOffset: number;
  readonly guestOffset: number;
}

function standardExtent(high: number, low: number, shape: L2Shape, place: Place, length: number): OwnExtent {
  const hasZeroFlag = (low & EntryLow.zero) !== 0;
  if (hasZeroFlag && shape.version < 3) throw reservedBits(place);
  const host = hostOffset(high, low, shape, place);
  const { guestOffset } = place;
  if (hasZeroFlag) return { kind: 'zero', guestOffset, length, explicit: true };
  if (!isAllocated(high, host, shape)) return unallocated(shape, guestOffset, length);
  return storedExtent(shape, place, guestOffset, length, host);
}

/** Guest bytes at `fileOffset`, as they are or enciphered, and then in whole sectors. */
function storedExtent(
  shape: L2Shape,
  place: Place,
  guestOffset: number,
  length: number,
  fileOffset: number,
): OwnExtent {
  const storedLength = shape.isEncrypted ? alignUp(length, SECTOR) : length;
  requireDataInFile(fileOffset, storedLength, shape, { fileOffset: place.fileOffset, guestOffset });
  return shape.isEncrypted
    ? {
        kind: 'packed',
        ...{ guestOffset, length, fileOffset, storedLength },
        unpackedLength: storedLength,
        codec: 'cipher',
      }
    : { kind: 'data', guestOffset, length, fileOffset };
}

/** In another file, a cluster can stand at byte 0; then the flag tells it from none. */
const isAllocated = (high: number, host: number, { hasDataFile }: L2Shape): boolean =>
  host !== 0 || (hasDataFile && (high & EntryHigh.copied) !== 0);

const unallocated = ({ hasBacking }: L2Shape, guestOffset: number, length: number): OwnExtent => ({
  kind: hasBacking ? 'backing' : 'zero',
  guestOffset,
  length,
});

/** The cluster's place in the file, 0 for none. @throws CorruptImageError `bad-reference` */
function hostOffset(high: number, low: number, shape: L2Shape, place: Place): number {
  if ((high & EntryHigh.reserved) !== 0 || (low & EntryLow.reserved) !== 0) throw reservedBits(place);
  const offset = (high & EntryHigh.offset) * 2 ** 32 + ((low & ~EntryLow.zero) >>> 0);
  if (offset % shape.clusterSize !== 0) {
    throw corrupt(
      'bad-reference',
      `The cluster at byte ${offset} is not on a cluster boundary.`,
      place.fileOffset,
      {
        guestOffset: place.guestOffset,
      },
    );
  }
  return offset;
}

const requireDataInFile = (start: number, length: number, shape: L2Shape, place: Place): void =>
  requireInFile(start, length, { fileSize: shape.dataFileSize }, place);

function requireInFile(
  start: number,
  length: number,
  { fileSize }: Pick<L2Shape, 'fileSize'>,
  place: Place,
): void {
  if (start + length <= fileSize) return;
  const message = `A cluster should end at byte ${start + length}, but the file has only ${fileSize} bytes.`;
  throw corrupt('truncated', message, place.fileOffset, {
    guestOffset: place.guestOffset,
    hint: 'The file is probably an incomplete download or copy: fetch it again.',
  });
}

/** Offset and length share 62 bits; where the border is depends on the cluster size. */
function packedExtent(high: number, low: number, shape: L2Shape, place: Place, length: number): OwnExtent {
  if (shape.hasDataFile) {
    const message = 'A cluster is compressed, which is not possible with an external data file.';
    throw corrupt('bad-table', message, place.fileOffset, { guestOffset: place.guestOffset });
  }
  const offsetBitsInHigh = 62 - (shape.clusterBits - 8) - 32;
  const descriptor = high & ~(EntryHigh.copied | EntryHigh.compressed);
  const fileOffset = (descriptor & (2 ** offsetBitsInHigh - 1)) * 2 ** 32 + low;
  const sectors = (descriptor >>> offsetBitsInHigh) + 1;
  if (fileOffset < shape.clusterSize) {
    throw corrupt(
      'bad-reference',
      `A compressed cluster at byte ${fileOffset} stands on the header.`,
      place.fileOffset,
      {
        guestOffset: place.guestOffset,
      },
    );
  }
  if (fileOffset >= shape.fileSize) requireInFile(fileOffset, 512, shape, place);
  // Stored lengths are in sectors of the file; its last sector may be a part only.
  const end = fileOffset - (fileOffset % 512) + sectors * 512;
  if (end > Math.ceil(shape.fileSize / 512) * 512) requireInFile(fileOffset, end - fileOffset, shape, place);
  return {
    kind: 'packed',
    guestOffset: place.guestOffset,
    length,
    fileOffset,
    storedLength: Math.min(end, shape.fileSize) - fileOffset,
    unpackedLength: shape.clusterSize,
    codec: shape.codec,
  };
}

/** An extended entry: 32 subclusters, each allocated, zero or neither. */
function* subclusterExtents(
  view: DataView,
  at: number,
  shape: L2Shape,
  place: Place,
  length: number,
): Generator<OwnExtent> {
  const high = view.getUint32(at);
  const low = view.getUint32(at + 4);
  if ((low & EntryLow.zero) !== 0) throw reservedBits(place);
  const host = hostOffset(high, low, shape, place);
  const zeros = view.getUint32(at + 8);
  const allocated = view.getUint32(at + 12);
  if ((zeros & allocated) !== 0) {
    throw corrupt('bad-table', 'A subcluster is both allocated and zero.', place.fileOffset + 8, {
      guestOffset: place.guestOffset,
    });
  }
  if (allocated !== 0 && !isAllocated(high, host, shape)) {
    throw corrupt(
      'bad-reference',
      'Subclusters are allocated, but the cluster has no place.',
      place.fileOffset,
      {
        guestOffset: place.guestOffset,
      },
    );
  }
  const size = shape.clusterSize / SUBCLUSTERS;
  for (let index = 0; index * size < length; index++) {
    const guestOffset = place.guestOffset + index * size;
    const part = Math.min(size, length - index * size);
    if (((allocated >>> index) & 1) === 0) {
      const isZero = ((zeros >>> index) & 1) === 1;
      yield isZero
        ? { kind: 'zero', guestOffset, length: part, explicit: true }
        : unallocated(shape, guestOffset, part);
      continue;
    }
    yield storedExtent(shape, place, guestOffset, part, host + index * size);
  }
}

const reservedBits = ({ fileOffset, guestOffset }: Place) =>
  corrupt('bad-table', 'Reserved bits are set in an L2 entry.', fileOffset, { guestOffset });
