/** LZ4 blocks, and the legacy frame that `lz4 -l` writes and Linux takes for an initramfs (lz4's `lz4_Block_format.md`). */

import { CorruptImageError } from '../errors.ts';

/** Every block of a legacy frame but the last holds this much. */
export const LZ4_LEGACY_BLOCK = 8 * 1024 * 1024;
/** LZ4_COMPRESSBOUND of a block. */
export const LZ4_LEGACY_BOUND = LZ4_LEGACY_BLOCK + Math.floor(LZ4_LEGACY_BLOCK / 255) + 16;

/** Up to this many bytes a loop is faster than a call. */
const SHORT = 32;
/** Matches are never shorter. */
const MIN_MATCH = 4;

/** Decodes a block into `into` and returns its length. @throws CorruptImageError `bad-data` */
export function unpackLz4Block(packed: Uint8Array, into: Uint8Array): number {
  let at = 0;
  let end = 0;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      if (at >= packed.length) throw broken('it ends within a length');
      const more = packed[at++] as number;
      length += more;
      if (more < 255) return length;
    }
  };
  while (at < packed.length) {
    const token = packed[at++] as number;
    const literals = lengthFrom(token >> 4);
    if (literals > packed.length - at || literals > into.length - end) throw broken('literals pass its end');
    if (literals > SHORT) into.set(packed.subarray(at, at + literals), end);
    else for (let i = 0; i < literals; i++) into[end + i] = packed[at + i] as number;
    at += literals;
    end += literals;
    if (at === packed.length) return end;
    if (at + 2 > packed.length) throw broken('it ends within an offset');
    const offset = (packed[at] as number) + (packed[at + 1] as number) * 256;
    at += 2;
    const length = lengthFrom(token & 15) + MIN_MATCH;
    if (offset === 0 || offset > end) throw broken('a match reaches before its start');
    if (length > into.length - end) throw broken('a match passes its end');
    if (offset >= length && length > SHORT) into.copyWithin(end, end - offset, end - offset + length);
    else for (let i = 0; i < length; i++) into[end + i] = into[end + i - offset] as number;
    end += length;
  }
  throw broken('it ends without literals');
}

const broken = (why: string): CorruptImageError =>
  new CorruptImageError('bad-data', `A block compressed with lz4 does not decode: ${why}.`);
