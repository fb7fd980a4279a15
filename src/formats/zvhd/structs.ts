/** What is ZVHD's own; its records are in `zvhd-stream/`. */

import { MiB } from '../../binary/align.ts';

export const ZVHD_COOKIE = 'stream\0\0';

/** The format knows no other block size, in bytes. */
export const ZVHD_BLOCK = 2 * MiB;
