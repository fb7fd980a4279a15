/** What is ZVHD2's own: methods, segments and the index entry. Its footer and records are in `zvhd-stream/`. */

import { KiB, MiB } from '../../binary/align.ts';
import { struct, u32, u64 } from '../../binary/struct.ts';
import type { CodecName } from '../../codecs/index.ts';

export const ZVHD2_COOKIE = 'z2strm\0\0';

/** With index and bitmap; an image of version 0 has neither. */
export const ZVHD2_VERSION = 1;

/** The block size that every writer uses and every reader knows, in bytes. */
export const ZVHD2_BLOCK = 2 * MiB;
export const MIN_BLOCK = MiB;
export const MAX_BLOCK = 32 * MiB;

export const INDEX_SEGMENT = 512 * KiB;
export const BITMAP_SEGMENT = 4 * KiB;
/** Entries of an index segment, and bits of a bitmap segment. */
export const SEGMENT_BLOCKS = 32768;

export const indexEntry = struct('ZVHD2 index entry', 16, 'little', {
  fileOffset: u64(0), // of the record
  blockNumber: u32(8),
  recordLength: u32(12), // bytes, padding included
});

/** The footer's compression method. */
export const methods = { zlib: 0, zstd: 1 } as const;
export type Method = keyof typeof methods;

export const codecs: Readonly<Record<Method, CodecName>> = { zlib: 'zlib-unfinished', zstd: 'zstd' };
