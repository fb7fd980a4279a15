/**
 * Which blocks of a target hold data. Workers set bits of one shared bitmap; when they are done it is frozen,
 * and answers where a block stands among the stored ones.
 */

/** The bitmap while it grows; safe to share between threads. */
export interface AllocationBits {
  readonly blockCount: number;
  readonly bits: Uint8Array<SharedArrayBuffer>;
}

/** The finished bitmap. */
export interface Allocation {
  readonly blockCount: number;
  /** How many blocks hold data. */
  readonly storedCount: number;
  has(block: number): boolean;
  /** How many stored blocks stand before `block`, for 0 ≤ block ≤ blockCount. */
  rank(block: number): number;
  /** The stored block with `rank` stored ones before it, for 0 ≤ rank < storedCount. */
  select(rank: number): number;
  /** Is any block of [from, to) stored? */
  hasAny(from: number, to: number): boolean;
}

export const createAllocationBits = (blockCount: number): AllocationBits =>
  allocationBitsOver(new SharedArrayBuffer(Math.ceil(blockCount / 8)), blockCount);

/** The same bitmap on another thread. */
export const allocationBitsOver = (memory: SharedArrayBuffer, blockCount: number): AllocationBits => ({
  blockCount,
  bits: new Uint8Array(memory),
});

/** Marks `block` as stored; any thread, any order. */
export function markStored({ bits }: AllocationBits, block: number): void {
  Atomics.or(bits, Math.floor(block / 8), 1 << (block % 8));
}

/** Bytes of the bitmap that share one entry of the rank index: 512 blocks. */
const STRIDE = 64;

const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

/** `bits` has block b at bit b & 7 of byte b >> 3, least significant first, and must not change from here on. */
export function freezeAllocation({
  bits,
  blockCount,
}: {
  readonly bits: Uint8Array;
  readonly blockCount: number;
}): Allocation {
  // One more entry than strides: the last one is the total.
  const ranks = new Uint32Array(Math.ceil(bits.length / STRIDE) + 1);
  let count = 0;
  for (let at = 0; at < bits.length; at++) {
    if (at % STRIDE === 0) ranks[at / STRIDE] = count;
    count += ONES[bits[at] as number] as number;
  }
  ranks[ranks.length - 1] = count;

  const has = (block: number): boolean =>
    (((bits[Math.floor(block / 8)] as number) >> (block % 8)) & 1) === 1;

  function rank(block: number): number {
    const byte = Math.floor(block / 8);
    const stride = Math.floor(byte / STRIDE);
    let before = ranks[stride] as number;
    for (let at = stride * STRIDE; at < byte; at++) before += ONES[bits[at] as number] as number;
    if (block % 8 === 0) return before;
    return before + (ONES[(bits[byte] as number) & ((1 << (block % 8)) - 1)] as number);
  }

  function select(wanted: number): number {
    let low = 0;
    let high = ranks.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((ranks[middle] as number) <= wanted) low = middle;
      else high = middle;
    }
    let left = wanted - (ranks[low] as number);
    for (let at = low * STRIDE; at < bits.length; at++) {
      const ones = ONES[bits[at] as number] as number;
      if (left < ones) return selectBit(at, left);
      left -= ones;
    }
    throw new RangeError(`rank ${wanted} of ${count}`);
  }

  function selectBit(byte: number, skip: number): number {
    let left = skip;
    for (let bit = 0; ; bit++) {
      if (has(byte * 8 + bit) && left-- === 0) return byte * 8 + bit;
    }
  }

  return { blockCount, storedCount: count, has, rank, select, hasAny: (from, to) => rank(from) < rank(to) };
}

/** All blocks stored, or none. */
export const uniformAllocation = (blockCount: number, isStored: boolean): Allocation => ({
  blockCount,
  storedCount: isStored ? blockCount : 0,
  has: () => isStored,
  rank: (block) => (isStored ? block : 0),
  select: (rank) => rank,
  hasAny: (from, to) => isStored && from < to,
});

/** {@link Allocation.rank} for blocks that are mostly asked for one after the other: then it costs nothing. */
export function rankInOrder(allocation: Allocation): (block: number) => number {
  let last = 0;
  let rank = 0;
  return (block) => {
    if (block === last + 1) rank += allocation.has(last) ? 1 : 0;
    else if (block !== last) rank = allocation.rank(block);
    last = block;
    return rank;
  };
}
