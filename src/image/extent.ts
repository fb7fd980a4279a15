/**
 * Extents: what is where on a virtual disk. The list of a disk is sorted, gapless and merged, and is iterated,
 * never collected: a TiB of 64 KiB clusters has 16 million.
 */

import type { CodecName } from '../codecs/index.ts';
import type { ByteSource } from '../io/source.ts';

interface GuestRun {
  /** First byte on the virtual disk. */
  readonly guestOffset: number;
  /** Bytes of the virtual disk; never past its end. */
  readonly length: number;
}

/** The guest bytes stand as they are at `fileOffset`. */
export interface DataExtent extends GuestRun {
  readonly kind: 'data';
  readonly fileOffset: number;
}

/** One compressed block: `storedLength` bytes at `fileOffset` decode to `unpackedLength` guest bytes. */
export interface PackedExtent extends GuestRun {
  readonly kind: 'packed';
  readonly fileOffset: number;
  readonly storedLength: number;
  /** The whole block; more than `length` only for the last block of a disk. */
  readonly unpackedLength: number;
  readonly codec: CodecName;
}

/** Reads as zeros. */
export interface ZeroExtent extends GuestRun {
  readonly kind: 'zero';
}

/** A guest range with one status. */
export type Extent = DataExtent | PackedExtent | ZeroExtent;

export const guestEnd = (extent: Extent): number => extent.guestOffset + extent.length;

/** One extent for two neighbours that say the same, or undefined. Packed blocks stay on their own. */
export function mergeExtents(before: Extent, after: Extent): Extent | undefined {
  if (before.kind === 'zero' && after.kind === 'zero') {
    return { ...before, length: before.length + after.length };
  }
  if (
    before.kind === 'data' &&
    after.kind === 'data' &&
    before.fileOffset + before.length === after.fileOffset
  ) {
    return { ...before, length: before.length + after.length };
  }
  return undefined;
}

/** Merges neighbours in a list of extents: what one table says, before it leaves the reader. */
export function* mergeNeighbours(extents: Iterable<Extent>): Generator<Extent> {
  let pending: Extent | undefined;
  for (const extent of extents) {
    const merged = pending && mergeExtents(pending, extent);
    if (pending !== undefined && merged === undefined) yield pending;
    pending = merged ?? extent;
  }
  if (pending !== undefined) yield pending;
}

/** Merges neighbours in a stream of extents. */
export async function* mergedExtents(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
  let pending: Extent | undefined;
  for await (const extent of extents) {
    const merged = pending && mergeExtents(pending, extent);
    if (pending !== undefined && merged === undefined) yield pending;
    pending = merged ?? extent;
  }
  if (pending !== undefined) yield pending;
}

/** The part of a data or zero extent within [from, to); a packed extent stays whole. */
export function clipExtent(extent: Extent, from: number, to: number): Extent {
  if (extent.kind === 'packed') return extent;
  const guestOffset = Math.max(extent.guestOffset, from);
  const length = Math.min(guestEnd(extent), to) - guestOffset;
  if (length === extent.length) return extent;
  if (extent.kind === 'zero') return { kind: 'zero', guestOffset, length };
  return {
    kind: 'data',
    guestOffset,
    length,
    fileOffset: extent.fileOffset + guestOffset - extent.guestOffset,
  };
}

/** A disk whose bytes stand at their own offsets in the file: data, and zeros where the source knows of holes. */
export function* flatExtents(source: ByteSource, from: number, to: number): Generator<Extent> {
  let at = from;
  for (const { start, end } of source.dataRanges?.(from, to) ?? [{ start: from, end: to }]) {
    if (at < start) yield { kind: 'zero', guestOffset: at, length: start - at };
    if (start < end) yield { kind: 'data', guestOffset: start, length: end - start, fileOffset: start };
    at = end;
  }
  if (at < to) yield { kind: 'zero', guestOffset: at, length: to - at };
}
