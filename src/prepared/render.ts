/** Renders ranges of a laid out file into shared memory. On any thread. */

import type { GuestBytes } from '../image/guest-bytes.ts';
import type { LaidOutFile } from '../image/layout.ts';
import { layoutSource } from '../image/layout-source.ts';

/** The range [from, to) of the file, and where its bytes go. */
export interface RenderTask {
  readonly from: number;
  readonly to: number;
  readonly slotOffset: number;
}

export type Renderer = (task: RenderTask) => Promise<undefined>;

export function renderer(guest: GuestBytes, file: LaidOutFile, slots: SharedArrayBuffer): Renderer {
  const source = layoutSource(file, guest, 'the output');
  return async ({ from, to, slotOffset }) => {
    await source.read(new Uint8Array(slots, slotOffset, to - from), from);
    return undefined;
  };
}
