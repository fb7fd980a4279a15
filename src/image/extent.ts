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
  /** How many files down the chain of backing files it stands; left out for the image itself. */
  readonly depth?: number;
}

/** The guest bytes stand as they are at `fileOffset`. */
export interface DataExtent extends GuestRun {
  readonly kind: 'data';
  readonly fileOffset: number;
}

/**
 * One compressed or enciphered block: `storedLength` bytes at `fileOffset` decode to `unpackedLength` guest bytes. Of a
 * block in a backing file, guest offset and length are the part that shows.
 */
export interface PackedExtent extends GuestRun {
  readonly kind: 'packed';
  readonly fileOffset: number;
  readonly storedLength: number;
  /** The whole block; more than `length` only for the last block of a disk. */
  readonly unpackedLength: number;
  /** `cipher`: what is stored is enciphered, and only the image's reader, which has the key, deciphers it. */
  readonly codec: CodecName | 'cipher';
}

/** Reads as zeros. */
export interface ZeroExtent extends GuestRun {
  readonly kind: 'zero';
  /** The image says so itself, for a backing file would show otherwise. */
  readonly explicit?: true;
}

/** The image says nothing: its backing file shows. */
export interface BackingExtent extends GuestRun {
  readonly kind: 'backing';
}

/** A guest range with one status. */
export type Extent = DataExtent | PackedExtent | ZeroExtent;

/** What a reader of one file says. */
export type OwnExtent = Extent | BackingExtent;

export const guestEnd = (extent: OwnExtent): number => extent.guestOffset + extent.length;

/** One extent for two neighbours that say the same, or undefined. Packed blocks stay on their own. */
export function mergeExtents<E extends OwnExtent>(before: E, after: E): E | undefined {
  if (before.kind !== after.kind || before.depth !== after.depth || !continues(before, after))
    return undefined;
  return { ...before, length: before.length + after.length };
}

function continues(before: OwnExtent, after: OwnExtent): boolean {
  if (before.kind === 'zero') return before.explicit === (after as ZeroExtent).explicit;
  if (before.kind === 'data') return before.fileOffset + before.length === (after as DataExtent).fileOffset;
  return before.kind === 'backing';
}

/** Merges neighbours in a list of extents: what one table says, before it leaves the reader. */
export function* mergeNeighbours<E extends OwnExtent>(extents: Iterable<E>): Generator<E> {
  let pending: E | undefined;
  for (const extent of extents) {
    const merged = pending && mergeExtents(pending, extent);
    if (pending !== undefined && merged === undefined) yield pending;
    pending = merged ?? extent;
  }
  if (pending !== undefined) yield pending;
}

/** Merges neighbours in a stream of extents. */
export const mergedExtents = <E extends OwnExtent>(extents: AsyncIterable<E>): AsyncGenerator<E> =>
  mergedStream(extents, mergeExtents<E>);

/** Merges neighbours in a stream. @param merge one for two neighbours, undefined where they stay apart */
export async function* mergedStream<T>(
  items: AsyncIterable<T>,
  merge: (before: T, after: T) => T | undefined,
): AsyncGenerator<T> {
  let pending: T | undefined;
  for await (const item of items) {
    const merged = pending && merge(pending, item);
    if (pending !== undefined && merged === undefined) yield pending;
    pending = merged ?? item;
  }
  if (pending !== undefined) yield pending;
}

/** The part of an extent within [from, to); a packed extent stays whole. */
export function clipExtent<E extends OwnExtent>(extent: E, from: number, to: number): E {
  return extent.kind === 'packed' ? extent : visiblePart(extent, from, to);
}

/** The part of an extent that shows within [from, to). */
export function visiblePart<E extends OwnExtent>(extent: E, from: number, to: number): E {
  const guestOffset = Math.max(extent.guestOffset, from);
  const length = Math.min(guestEnd(extent), to) - guestOffset;
  if (length === extent.length) return extent;
  const part = { ...extent, guestOffset, length };
  return extent.kind === 'data'
    ? { ...part, fileOffset: extent.fileOffset + guestOffset - extent.guestOffset }
    : part;
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
