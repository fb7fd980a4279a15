/** xz by xz-decompress, bzip2 by unbzip2-stream: packages that are loaded when they are needed. */

import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js';
import type { Bzip2Decoder } from 'unbzip2-stream/lib/bzip2.js';
import { EndsEarlyError } from './ends-early.ts';
import { unxz } from './xz.ts';

/** Codes of XZ Embedded (`enum xz_ret`). */
const XZ_OPTIONS = 6;
const XZ_BUF_ERROR = 8;

/** With errors that tell a file that ends early, and one that cannot be unpacked here. */
export async function unxzFile(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  return withReasons(await unxz(chunks));
}

async function* withReasons(unpacked: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* unpacked;
  } catch (cause) {
    const code = /error code (\d+)/.exec((cause as Error).message)?.[1];
    if (Number(code) === XZ_BUF_ERROR) throw new EndsEarlyError('it ends early', { cause });
    if (Number(code) !== XZ_OPTIONS) throw cause;
    throw new Error('it has a check or a filter that is not known here (unpack it with xz)', { cause });
  }
}

/** Streams one behind the other are one file. */
export async function unbzip2(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const { default: decoder } = await import('unbzip2-stream/lib/bzip2.js');
  const { default: bitsOf } = await import('unbzip2-stream/lib/bit_iterator.js');
  return blocksOf(decoder, bitsOf, chunks);
}

/** Bytes that a block takes at most, beside 100,000 for each level: those that the package itself waits for. */
const BLOCK_OVERHEAD = 25_000;

/**
 * The blocks one by one, so that nobody waits for all of them, nor keeps them: a block of some bytes may be 46 MB of zeros.
 * (The package's own stream decodes whatever it has at once.)
 */
async function* blocksOf(
  decoder: Bzip2Decoder,
  bitsOf: (next: () => Uint8Array | undefined) => BitReader,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const queue: Uint8Array[] = [];
  let fed = 0;
  let bits: BitReader | undefined;
  /** Waits until there are so many bytes that were not read, or all that there are. */
  async function fill(wanted: number): Promise<void> {
    while (fed - (bits?.bytesRead ?? 0) < wanted) {
      const { done, value } = await iterator.next();
      if (done) return;
      if (value.length > 0) queue.push(value);
      fed += value.length;
    }
  }

  await fill(4);
  bits = bitsOf(() => queue.shift());
  const block = growing();
  while (fed > bits.bytesRead) {
    await fill(4);
    const level = whole(() => decoder.header(bits as BitReader));
    const words = new Int32Array(100_000 * level);
    let checksum: number | null = 0;
    for (;;) {
      await fill(BLOCK_OVERHEAD + words.length);
      const before: number = checksum;
      checksum = whole(() => decoder.decompress(bits as BitReader, block.push, words, words.length, before));
      if (checksum === null) break;
      yield block.take();
    }
    await fill(1);
  }
}

/** What `read` gives. @throws EndsEarlyError where it reads past the end of what there is, and trips */
function whole<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof TypeError) throw new EndsEarlyError('it ends early', { cause });
    throw cause;
  }
}

/** Bytes that come one by one. */
function growing() {
  let bytes = new Uint8Array(1024 * 1024);
  let used = 0;
  return {
    push(byte: number): void {
      if (used === bytes.length) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      bytes[used++] = byte;
    },
    /** A copy of them; the next ones begin anew. */
    take(): Uint8Array {
      const taken = bytes.slice(0, used);
      used = 0;
      return taken;
    },
  };
}
