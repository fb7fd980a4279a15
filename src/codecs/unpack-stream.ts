/** Streams that are packed as a whole, as an initramfs is: told by their first bytes, unpacked as far as is asked for. */

import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { CorruptImageError, ImageError } from '../errors.ts';
import { LZ4_LEGACY_BLOCK, LZ4_LEGACY_BOUND, unpackLz4Block } from './lz4.ts';
import { unxz } from './xz.ts';

const magics = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  'lz4-legacy': [0x02, 0x21, 0x4c, 0x18],
  bzip2: [0x42, 0x5a, 0x68],
  lzma: [0x5d, 0x00, 0x00],
  lzop: [0x89, 0x4c, 0x5a, 0x4f],
} as const;

/** How streams are packed; {@link unpackStream} takes some of these. */
export type StreamCodec = keyof typeof magics;

/** By the first bytes, of which six are enough. */
export const streamCodecOf = (head: Uint8Array): StreamCodec | undefined =>
  (Object.keys(magics) as StreamCodec[]).find((name) =>
    magics[name].every((byte, index) => head[index] === byte),
  );

type Unpack = (
  packed: AsyncIterable<Uint8Array>,
) => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

const CHUNK = 256 * 1024;

const unpackers: Partial<Record<StreamCodec, Unpack>> = {
  gzip: (packed) => throughTransform(packed, createGunzip({ chunkSize: CHUNK })),
  zstd: (packed) => throughTransform(packed, createZstdDecompress({ chunkSize: CHUNK })),
  xz: unxz,
  'lz4-legacy': unpackLz4Legacy,
};

export const canUnpackStream = (codec: StreamCodec): boolean => unpackers[codec] !== undefined;

/**
 * The unpacked bytes, in chunks of up to 8 MiB. Who stops iterating stops the reading of `packed`. What stands behind
 * the packed stream may be taken for a part of it, or ignored.
 * @throws CorruptImageError `bad-data` when it does not decode; whatever `packed` throws
 */
export async function* unpackStream(
  codec: StreamCodec,
  packed: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const unpack = unpackers[codec];
  if (unpack === undefined) throw new RangeError(`Streams packed with ${codec} are not unpacked.`);
  try {
    yield* await unpack(packed);
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new CorruptImageError('bad-data', `What is packed with ${codec} does not decode.`, { cause });
  }
}

async function* throughTransform(
  packed: AsyncIterable<Uint8Array>,
  transform: Transform,
): AsyncIterable<Uint8Array> {
  // An error of either side destroys the other, and comes out of the iteration: there is nothing to do for the callback.
  yield* pipeline(Readable.from(packed), transform, () => {});
}

async function* unpackLz4Legacy(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let held: Uint8Array = new Uint8Array();
  let isEnded = false;
  const iterator = packed[Symbol.asyncIterator]();
  /** Up to `length` bytes; fewer at the end. */
  const take = async (length: number): Promise<Buffer> => {
    const parts = [held];
    let total = held.length;
    while (total < length && !isEnded) {
      const { done, value } = await iterator.next();
      if (done === true) isEnded = true;
      else {
        parts.push(value);
        total += value.length;
      }
    }
    const all = Buffer.concat(parts);
    held = all.subarray(length);
    return all.subarray(0, length);
  };
  try {
    await take(magics['lz4-legacy'].length);
    for (;;) {
      const head = await take(4);
      // Nothing, or padding, or another archive: a length of that size is none.
      const length = head.length < 4 ? 0 : head.readUInt32LE(0);
      if (length === 0 || length > LZ4_LEGACY_BOUND) return;
      const block = await take(length);
      if (block.length < length)
        throw new CorruptImageError('bad-data', 'What is packed with lz4 ends too early.');
      const into = new Uint8Array(LZ4_LEGACY_BLOCK);
      yield into.subarray(0, unpackLz4Block(block, into));
    }
  } finally {
    await iterator.return?.();
  }
}
