/**
 * Deflate: the raw streams of qcow2 and ZVHD, the zlib stream of VMDK, and the unfinished one of ZVHD2. Packed by our own
 * encoder, unpacked by node:zlib.
 */

import type { ZlibOptions } from 'node:zlib';
import { type BlockCodecSpec, blockCodec } from './block-codec.ts';
import type { Codec } from './codec.ts';
import {
  adler32OfLast,
  type DeflateOptions,
  deflateBlock,
  deflateBound,
  deflateLevels,
} from './deflate-encoder/encoder.ts';
import { nodeZlib } from './node-zlib.ts';

/** The buffer of a one-shot call: all of the result at once, and never less than zlib takes. */
export const chunkFor = (length: number): number => Math.max(length, 64);

/** The farthest that deflate refers back (RFC 1951, section 2). */
export const WINDOW = 32 * 1024;

/** A zlib stream's header (RFC 1950, section 2.2): deflate, a window of 32 KiB, the default level. */
export const ZLIB_HEADER = Uint8Array.of(0x78, 0x9c);

const ADLER_LENGTH = 4;

/** What all kinds of deflate have in common. */
const deflateCodec = (spec: Pick<BlockCodecSpec, 'name' | 'pack' | 'unpacking'>): Codec =>
  blockCodec({
    levels: deflateLevels,
    bound: (blockLength) => ZLIB_HEADER.length + deflateBound(blockLength) + ADLER_LENGTH,
    ...spec,
  });

/** The reader of raw deflate (RFC 1951) or of zlib streams (RFC 1950) that end in `flush`. */
const inflating =
  (
    stream: 'raw' | 'zlib',
    flush: 'Z_FINISH' | 'Z_SYNC_FLUSH',
    options: ZlibOptions = {},
  ): BlockCodecSpec['unpacking'] =>
  () => {
    const { constants, createInflate, createInflateRaw, inflateRawSync, inflateSync } = nodeZlib();
    const [create, inflate] =
      stream === 'raw' ? [createInflateRaw, inflateRawSync] : [createInflate, inflateSync];
    const finishFlush = constants[flush];
    return {
      open: () => create(options),
      flush: finishFlush,
      restarts: false,
      oneShot: (packed, limit) =>
        inflate(packed, { ...options, finishFlush, chunkSize: chunkFor(limit), maxOutputLength: limit }),
    };
  };

/** qcow2 allows matches no farther back than 4 KiB (QEMU's `docs/interop/qcow2.txt`, "Compressed clusters"). */
const QCOW2_WINDOW_BITS = 12;

export const deflate = deflateCodec({
  name: 'deflate',
  pack: (block, level, into) =>
    deflateBlock(block, into, { level, window: 2 ** QCOW2_WINDOW_BITS, end: 'finished' }),
  unpacking: inflating('raw', 'Z_FINISH', { windowBits: QCOW2_WINDOW_BITS }),
});

/** The header, and the deflated block behind it; returns the length of both. */
function packBehindHeader(block: Uint8Array, into: Uint8Array, options: DeflateOptions): number {
  into.set(ZLIB_HEADER);
  return ZLIB_HEADER.length + deflateBlock(block, into.subarray(ZLIB_HEADER.length), options);
}

export const zlib = deflateCodec({
  name: 'zlib',
  pack(block, level, into) {
    const length = packBehindHeader(block, into, { level, window: WINDOW, end: 'finished' });
    new DataView(into.buffer, into.byteOffset).setUint32(length, adler32OfLast(block.length));
    return length + ADLER_LENGTH;
  },
  unpacking: inflating('zlib', 'Z_FINISH'),
});

export const zlibUnfinished = deflateCodec({
  name: 'zlib',
  pack: (block, level, into) => packBehindHeader(block, into, { level, window: WINDOW, end: 'open' }),
  unpacking: inflating('zlib', 'Z_SYNC_FLUSH'),
});

/** Raw deflate that ends on a byte; see {@link openChainedInflate}. */
export const deflateOpen = deflateCodec({
  name: 'deflate',
  pack: (block, level, into) => deflateBlock(block, into, { level, window: WINDOW, end: 'open' }),
  unpacking: inflating('raw', 'Z_SYNC_FLUSH'),
});
