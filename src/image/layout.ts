/**
 * Layouts: the writers of formats in which every byte of the file has a formula, given the virtual size, the
 * options and which blocks hold data. So any range of the file can be made on demand, in any order.
 *
 *     head sections │ blocks, from dataStart │ tail sections
 *
 * `dataStart` does not depend on which blocks exist: a conversion can write blocks before it knows them all.
 */

import type { Allocation } from './allocation.ts';
import type { Identity } from './identity.ts';
import type { Section } from './section.ts';

export interface Layout {
  readonly kind: 'layout';
  /** Bytes of the virtual disk. */
  readonly virtualSize: number;
  /** Guest bytes in a block, a power of two. */
  readonly unit: number;
  /** File offset of the first block. */
  readonly dataStart: number;
  /**
   * `in-place`: the guest byte at g stands at dataStart + g, stored or not. `packed`: stored blocks follow each
   * other in guest order, always whole.
   */
  readonly placement: 'in-place' | 'packed';
  /** Bytes before each packed block, the same for all; often none. */
  readonly blockHead: Uint8Array;
  /** Turns a packed block, in place, into what stands at `fileOffset`; left out where guest bytes are stored as they are. */
  encipher?(block: Uint8Array, fileOffset: number): void;
  /** What stands before the blocks (exactly `dataStart` bytes) and behind them. */
  sections(
    allocation: Allocation,
    identity: Identity,
  ): { readonly head: Section[]; readonly tail: Section[] };
}

/** One range of a laid out file. */
export type Piece = { readonly fileOffset: number; readonly length: number } & (
  | { readonly kind: 'guest'; readonly guestOffset: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'zero' }
);

/** An image file as a formula. */
export interface LaidOutFile {
  readonly size: number;
  /** File offset behind the last block. */
  readonly dataEnd: number;
  /** The pieces of [from, to), sorted and gapless, for 0 ≤ from ≤ to ≤ size. */
  pieces(from: number, to: number): Generator<Piece>;
}

/** Metadata is rendered in pieces of at most this many bytes. */
const RENDER_CHUNK = 1024 * 1024;

export function layOut(layout: Layout, allocation: Allocation, identity: Identity): LaidOutFile {
  const { head, tail } = layout.sections(allocation, identity);
  const headEnd = lengthOf(head);
  if (headEnd !== layout.dataStart) {
    throw new RangeError(`the head has ${headEnd} bytes, but data begins at ${layout.dataStart}`);
  }
  const dataEnd = layout.dataStart + dataLength(layout, allocation);
  return {
    size: dataEnd + lengthOf(tail),
    dataEnd,
    *pieces(from, to) {
      yield* sectionPieces(head, 0, from, to);
      yield* blockPieces(layout, allocation, Math.max(from, layout.dataStart), Math.min(to, dataEnd));
      yield* sectionPieces(tail, dataEnd, from, to);
    },
  };
}

const lengthOf = (sections: readonly Section[]): number =>
  sections.reduce((sum, { length }) => sum + length, 0);

function dataLength(
  { placement, blockHead, unit, virtualSize }: Layout,
  { storedCount }: Allocation,
): number {
  return placement === 'in-place' ? virtualSize : storedCount * (blockHead.length + unit);
}

function* sectionPieces(
  sections: readonly Section[],
  start: number,
  from: number,
  to: number,
): Generator<Piece> {
  let sectionStart = start;
  for (const section of sections) {
    const end = Math.min(to, sectionStart + section.length);
    for (let at = Math.max(from, sectionStart); at < end; ) {
      const bytes = new Uint8Array(Math.min(RENDER_CHUNK, end - at));
      section.render(bytes, at - sectionStart);
      yield { kind: 'bytes', fileOffset: at, length: bytes.length, bytes };
      at += bytes.length;
    }
    sectionStart += section.length;
  }
}

/** The pieces of the block area within [from, to). */
function* blockPieces(layout: Layout, allocation: Allocation, from: number, to: number): Generator<Piece> {
  if (from >= to) return;
  if (layout.placement === 'in-place') {
    yield* inPlacePieces(layout, allocation, from, to);
    return;
  }
  const { dataStart, blockHead, unit } = layout;
  const stride = blockHead.length + unit;
  for (let at = from; at < to; ) {
    const rank = Math.floor((at - dataStart) / stride);
    const blockStart = dataStart + rank * stride;
    const end = Math.min(to, blockStart + stride);
    yield* packedBlockPieces(layout, allocation.select(rank), blockStart, at, end);
    at = end;
  }
}

function* packedBlockPieces(
  { blockHead, unit, virtualSize }: Layout,
  block: number,
  blockStart: number,
  from: number,
  to: number,
): Generator<Piece> {
  const dataStart = blockStart + blockHead.length;
  const headEnd = Math.min(to, dataStart);
  if (from < headEnd) {
    const bytes = blockHead.subarray(from - blockStart, headEnd - blockStart);
    yield { kind: 'bytes', fileOffset: from, length: bytes.length, bytes };
  }
  const guestStart = block * unit;
  const guestFrom = guestStart + Math.max(from, dataStart) - dataStart;
  const guestTo = guestStart + to - dataStart;
  // The last block of a disk is stored whole, and is zero past the end of the disk.
  const guestMiddle = Math.min(guestTo, Math.max(guestFrom, virtualSize));
  if (guestFrom < guestMiddle) {
    const fileOffset = dataStart + guestFrom - guestStart;
    yield { kind: 'guest', fileOffset, length: guestMiddle - guestFrom, guestOffset: guestFrom };
  }
  if (guestMiddle < guestTo) {
    const fileOffset = dataStart + guestMiddle - guestStart;
    yield { kind: 'zero', fileOffset, length: guestTo - guestMiddle };
  }
}

function* inPlacePieces(layout: Layout, allocation: Allocation, from: number, to: number): Generator<Piece> {
  const { dataStart, unit, virtualSize } = layout;
  const last = Math.ceil((to - dataStart) / unit);
  for (let block = Math.floor((from - dataStart) / unit); block < last; ) {
    const first = block;
    const stored = allocation.has(first);
    while (block < last && allocation.has(block) === stored) block++;
    const guestOffset = Math.max(first * unit, from - dataStart);
    const length = Math.min(block * unit, to - dataStart, virtualSize) - guestOffset;
    const fileOffset = dataStart + guestOffset;
    yield stored ? { kind: 'guest', fileOffset, length, guestOffset } : { kind: 'zero', fileOffset, length };
  }
}
