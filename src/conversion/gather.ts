/** Gathers what is written: parts that follow each other in the file go out with one call. */

import type { ByteTarget } from '../io/target.ts';

export interface Gatherer {
  /** Adds a part; the bytes must stay as they are until {@link Gatherer.flush} is done. */
  add(part: Uint8Array, fileOffset: number): Promise<void>;
  /** Writes what is left, and returns how many bytes have been written in all. */
  flush(): Promise<number>;
}

export function gatherer(target: ByteTarget): Gatherer {
  let parts: Uint8Array[] = [];
  let start = 0;
  let end = 0;
  let written = 0;

  async function writeParts(): Promise<void> {
    if (parts.length > 0) await target.write(parts, start);
    written += end - start;
    parts = [];
  }

  return {
    async add(part, fileOffset) {
      if (part.length === 0) return;
      if (fileOffset !== end) {
        await writeParts();
        start = fileOffset;
        end = fileOffset;
      }
      const last = parts.at(-1);
      if (last && follows(last, part)) parts[parts.length - 1] = joined(last, part);
      else parts.push(part);
      end += part.length;
    },
    async flush() {
      await writeParts();
      start = end;
      return written;
    },
  };
}

/** Do two parts stand side by side in memory too? */
const follows = (before: Uint8Array, after: Uint8Array): boolean =>
  before.buffer === after.buffer && before.byteOffset + before.length === after.byteOffset;

const joined = (before: Uint8Array, after: Uint8Array): Uint8Array =>
  new Uint8Array(before.buffer, before.byteOffset, before.length + after.length);
