/** Bytes in their order, with what is not wanted skipped: a file, or what is packed in one. */

import { BudgetError } from '../../errors.ts';
import type { FileNode } from '../file-tree.ts';

export interface ByteStream {
  /** Bytes so far, the skipped ones among them. */
  readonly position: number;
  /** What {@link take} would give, without going on. */
  peek(length: number): Promise<Uint8Array>;
  /** Up to `length` bytes; fewer where the stream ends. At most 64 KiB. */
  take(length: number): Promise<Uint8Array>;
  skip(length: number): Promise<void>;
}

/** Bytes of a file that are read at a time when they are unpacked. */
const CHUNK = 128 * 1024;

/** The bytes of `file` from `start`: what is skipped is not read. */
export function fileStream(file: FileNode, start: number): ByteStream {
  let position = start;
  return {
    get position() {
      return position;
    },
    peek: (length) => file.read(position, length),
    async take(length) {
      const bytes = await file.read(position, length);
      position += bytes.length;
      return bytes;
    },
    async skip(length) {
      position += length;
    },
  };
}

/**
 * The bytes of `file` from `start`, in chunks.
 * @throws BudgetError `over-budget` after `maxBytes`
 */
export async function* chunksOf(file: FileNode, start: number, maxBytes: number): AsyncIterable<Uint8Array> {
  for (let at = start; at < file.size; at += CHUNK) {
    if (at - start >= maxBytes) throw over(maxBytes, 'packed');
    yield await file.read(at, CHUNK);
  }
}

/**
 * What `chunks` hold, one after another.
 * @throws BudgetError `over-budget` after `maxBytes`
 */
export function chunkStream(chunks: AsyncIterator<Uint8Array>, maxBytes: number): ByteStream {
  let held: Uint8Array = new Uint8Array();
  let position = 0;
  const peek = async (length: number): Promise<Uint8Array> => {
    while (held.length < length) {
      const { done, value } = await chunks.next();
      if (done === true) break;
      held = held.length === 0 ? value : Buffer.concat([held, value]);
    }
    return held.subarray(0, length);
  };
  const drop = (length: number): void => {
    held = held.subarray(length);
    position += length;
    if (position > maxBytes) throw over(maxBytes, 'unpacked');
  };
  return {
    get position() {
      return position;
    },
    peek,
    async take(length) {
      const bytes = await peek(length);
      drop(bytes.length);
      return bytes;
    },
    async skip(length) {
      let left = length;
      while (left > 0 && (await peek(1)).length > 0) {
        const dropped = Math.min(left, held.length);
        drop(dropped);
        left -= dropped;
      }
    },
  };
}

const over = (maxBytes: number, what: string): BudgetError =>
  new BudgetError('over-budget', `Only the first ${maxBytes / 2 ** 20} MiB (${what}) were looked at.`);
