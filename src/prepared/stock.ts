/**
 * Memory of parts, used again. What is left to the garbage collector stays for as long as it likes: several parts' worth,
 * beside those that are under way.
 */

export interface Stock {
  /** So many zeros. */
  take(length: number): Uint8Array<ArrayBuffer>;
  /** What `take` has given, when nobody looks at it any more. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void;
}

/** Pieces that are kept at most. */
const MAX_KEPT = 8;

/** @param size bytes of a piece; others are made, and not kept */
export function createStock(size: number): Stock {
  /** All that was handed out, as long as someone has it. */
  const own = new WeakSet<Uint8Array>();
  const kept: Uint8Array<ArrayBuffer>[] = [];
  return {
    take(length) {
      const bytes = (length === size ? kept.pop()?.fill(0) : undefined) ?? new Uint8Array(length);
      if (length === size) own.add(bytes);
      return bytes;
    },
    giveBack(bytes) {
      // Once only; and its memory may have gone to a thread meanwhile.
      if (own.delete(bytes) && bytes.length === size && kept.length < MAX_KEPT) kept.push(bytes);
    },
  };
}
