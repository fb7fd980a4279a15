/** What the two kinds of writer share. A writer says only where things go; guest data never flows through it. */

import type { Appender } from './appender.ts';
import type { OutputEncryption } from './encryption.ts';
import type { Layout } from './layout.ts';
import type { OverlayBase } from './overlay.ts';

export type Writer = Layout | Appender;

/** What a writer is given beside the size and the format's own options. */
export interface WriterContext {
  /** What the image builds on, for formats with overlays only. */
  readonly base?: OverlayBase | undefined;
  /** For options that ask for it. A file can be measured without, but not written. */
  readonly encryption?: OutputEncryption | undefined;
}

/** Tables with an entry per block are kept in memory, some bytes each: this many at most. */
export const MAX_BLOCKS = 2 ** 30;
