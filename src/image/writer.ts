/** What the two kinds of writer share. A writer says only where things go; guest data never flows through it. */

import type { Appender } from './appender.ts';
import type { Layout } from './layout.ts';

export type Writer = Layout | Appender;

/** What makes one image file differ from another of the same disk. */
export interface Identity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly timestamp: number;
}

/** Tables with an entry per block are kept in memory, some bytes each: this many at most. */
export const MAX_BLOCKS = 2 ** 30;
