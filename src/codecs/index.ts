/** The registry of codecs, by the names that extents and appenders use. */

import type { Codec } from './codec.ts';
import { deflate, deflateOpen, zlib, zlibUnfinished } from './deflate.ts';
import { zstd } from './zstd.ts';

const codecs = {
  /** qcow2: raw deflate (RFC 1951) with a window of 4 KiB, finished. */
  deflate,
  /** VMDK: a zlib stream (RFC 1950), finished, with its Adler-32. */
  zlib,
  /** ZVHD2: a zlib stream (RFC 1950) that ends in a sync flush: no final block, no Adler-32. */
  'zlib-unfinished': zlibUnfinished,
  /** ZVHD: raw deflate that ends in a sync flush, a stretch of one stream through the whole file. */
  'deflate-chained': deflateOpen,
  /** One Zstandard frame (RFC 8878). */
  zstd,
} satisfies Record<string, Codec>;

export type CodecName = keyof typeof codecs;

export const codecNames = Object.keys(codecs) as readonly CodecName[];

export const codecOf = (name: CodecName): Codec => codecs[name];
