/** What the two kinds of writer share. A writer says only where things go; guest data never flows through it. */

import type { Appender } from './appender.ts';
import type { Layout } from './layout.ts';

export type Writer = Layout | Appender;

/** Tables with an entry per block are kept in memory, some bytes each: this many at most. */
export const MAX_BLOCKS = 2 ** 30;
