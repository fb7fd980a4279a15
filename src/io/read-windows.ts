/**
 * Small reads of something far away, through windows that are kept: neighbours are fetched together, and further ahead the
 * longer they follow each other. Reads that are large go past it.
 */

/** Bytes of a window; reads of {@link LARGE} and more have requests of their own. */
const WINDOW = 128 * 1024;
const LARGE = 512 * 1024;
/** Windows that are kept: 4 MiB. */
const MAX_KEPT = 32;
/** Windows that one request fetches, at most: 2 MiB. */
const MAX_AHEAD = 16;

/** Fills all of `into` from `offset`. */
export type ReadFar = (into: Uint8Array, offset: number) => Promise<void>;

/** @param head how the file begins, where that is known */
export function readWindows(size: number, head: Uint8Array, readFar: ReadFar): ReadFar {
  /** By number; in the order in which they were used, the latest last. */
  const kept = new Map<number, Promise<Uint8Array>>();
  let next = 0;
  let ahead = 1;

  function windowAt(index: number): Promise<Uint8Array> {
    const known = kept.get(index);
    if (known) {
      kept.delete(index);
      kept.set(index, known);
      return known;
    }
    ahead = index === next ? Math.min(ahead * 2, MAX_AHEAD) : 1;
    const last = Math.min(index + ahead, Math.ceil(size / WINDOW));
    let end = index + 1;
    while (end < last && !kept.has(end)) end++;
    next = end;
    fetchWindows(index, end);
    return kept.get(index) as Promise<Uint8Array>;
  }

  /** One request for the windows [from, to). */
  function fetchWindows(from: number, to: number): void {
    const start = from * WINDOW;
    const bytes = new Uint8Array(Math.min(to * WINDOW, size) - start);
    const fetched = readFar(bytes, start);
    for (let index = from; index < to; index++) {
      const window = fetched.then(() => bytes.subarray((index - from) * WINDOW, (index - from + 1) * WINDOW));
      window.catch(() => kept.delete(index)); // who waits for it sees the error; the next one tries again
      kept.set(index, window);
    }
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      if (oldest < from || oldest >= to) kept.delete(oldest);
    }
  }

  return async (into, offset) => {
    if (offset + into.length <= head.length) {
      into.set(head.subarray(offset, offset + into.length));
      return;
    }
    if (into.length >= LARGE) return readFar(into, offset);
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const index = Math.floor(at / WINDOW);
      const window = await windowAt(index);
      const part = window.subarray(at - index * WINDOW, at - index * WINDOW + into.length - done);
      into.set(part, done);
      done += part.length;
    }
  };
}
