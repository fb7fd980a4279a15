/** Deflate over node:zlib: the finished raw stream of qcow2, and the unfinished zlib stream of ZVHD2. */

import { constants, deflateRawSync, deflateSync, inflateRawSync, inflateSync } from 'node:zlib';
import { CorruptImageError } from '../errors.ts';
import type { Codec } from './codec.ts';

const levels = { min: 1, max: 9, default: 6 } as const;

/** qcow2 allows matches no farther back than 4 KiB (QEMU's `docs/interop/qcow2.txt`, "Compressed clusters"). */
const QCOW2_WINDOW_BITS = 12;

/** One output chunk for a whole block, so that zlib never has to join pieces; deflate grows a block by < 0.1 %. */
const chunkFor = (blockLength: number): number => Math.max(blockLength + (blockLength >> 8) + 64, 128);

export const deflate: Codec = {
  levels,
  pack: (block, level) =>
    deflateRawSync(block, {
      level,
      windowBits: QCOW2_WINDOW_BITS,
      memLevel: 9,
      chunkSize: chunkFor(block.length),
    }),
  unpack(packed, into) {
    // A chunk one byte larger than the block shows a stream that is too long without inflating all of it.
    const options = {
      windowBits: QCOW2_WINDOW_BITS,
      chunkSize: chunkFor(into.length),
      maxOutputLength: into.length,
    };
    fill(into, 'deflate', () => inflateRawSync(packed, options));
  },
};

export const zlibUnfinished: Codec = {
  levels,
  pack: (block, level) =>
    deflateSync(block, { level, finishFlush: constants.Z_SYNC_FLUSH, chunkSize: chunkFor(block.length) }),
  unpack(packed, into) {
    const options = {
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: chunkFor(into.length),
      maxOutputLength: into.length,
    };
    fill(into, 'zlib', () => inflateSync(packed, options));
  },
};

/** Copies what `unpack` returns into all of `into`. @throws CorruptImageError `bad-data` unless it fits exactly. */
export function fill(into: Uint8Array, codec: string, unpack: () => Uint8Array): void {
  let block: Uint8Array;
  try {
    block = unpack();
  } catch (cause) {
    const tooLong = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const what = tooLong ? `decodes to more than ${into.length} bytes` : 'does not decode';
    throw new CorruptImageError('bad-data', `A block compressed with ${codec} ${what}.`, { cause });
  }
  if (block.length !== into.length) {
    const message = `A block compressed with ${codec} decodes to ${block.length} bytes, expected ${into.length}.`;
    throw new CorruptImageError('bad-data', message);
  }
  into.set(block);
}
