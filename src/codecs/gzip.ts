/**
 * One gzip member (RFC 1952), packed a block at a time on the threads of node:zlib: each block ends on a byte (an empty stored
 * block, as `Z_SYNC_FLUSH` makes it), so that they stand one behind the other as one stream.
 */

import { constants, crc32, deflateRaw } from 'node:zlib';

/** Bytes that are packed at once. */
const BLOCK = 1024 * 1024;
/** Blocks under way: twice as many as node:zlib has threads by default. */
const AHEAD = 8;

/** Magic, deflate, no name, no time, no hint, unknown system. */
const HEAD = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
/** A last block with nothing in it. */
const LAST_BLOCK = [3, 0];

/** The packed bytes; the same for the same input, however it is cut into chunks. */
export async function* gzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield HEAD;
  const underWay: Promise<Uint8Array>[] = [];
  let zeros: Promise<Uint8Array> | undefined;
  let sum = 0;
  let length = 0;
  try {
    for await (const block of inBlocks(chunks)) {
      sum = crc32(block, sum);
      length += block.length;
      if (block.length === BLOCK && isZero(block)) {
        zeros ??= packed(block);
        underWay.push(zeros);
      } else {
        underWay.push(packed(block));
      }
      if (underWay.length >= AHEAD) yield (await underWay.shift()) as Uint8Array;
    }
    for (let next = underWay.shift(); next !== undefined; next = underWay.shift()) yield await next;
  } finally {
    // Nobody waits for those that are left when the reader goes.
    for (const block of underWay) block.catch(() => {});
  }
  const tail = new DataView(new ArrayBuffer(10));
  tail.setUint8(0, LAST_BLOCK[0] as number);
  tail.setUint8(1, LAST_BLOCK[1] as number);
  tail.setUint32(2, sum, true);
  tail.setUint32(6, length % 2 ** 32, true);
  yield new Uint8Array(tail.buffer);
}

const packed = (block: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    deflateRaw(block, { finishFlush: constants.Z_SYNC_FLUSH }, (error, result) =>
      error ? reject(error) : resolve(result),
    );
  });

const ZEROS = Buffer.alloc(BLOCK);
const isZero = (block: Uint8Array): boolean => ZEROS.equals(block);

/** Blocks of {@link BLOCK} bytes, each in memory of its own; the last is shorter. */
async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = new Uint8Array(BLOCK);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BLOCK - filled);
      block.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < BLOCK) continue;
      yield block;
      block = new Uint8Array(BLOCK);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
