/** Digests the blocks of a disk task by task. On any thread. */

import { MiB } from '../binary/align.ts';
import { type BlockDigests, digestBlocks, type LoadedBlock } from '../conversion/block-digest.ts';
import type { Task } from '../conversion/plan.ts';
import type { GuestBytes } from '../image/guest-bytes.ts';
import { readPadded } from '../image/guest-bytes.ts';
import { isZero } from '../io/zeros.ts';

/** The block of a content digest. */
export const DIGEST_BLOCK = MiB;

/** Performs one task at a time: digests of the blocks that hold data. */
export type Digester = (task: Task) => Promise<BlockDigests>;

/** @param virtualSize where the disk is taken to end: the last block ends there too, and zeros follow a shorter one */
export function digester(guest: GuestBytes, virtualSize: number): Digester {
  let buffer = new Uint8Array(0);
  return async ({ ranges }) => {
    const length = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    if (buffer.length < length) buffer = new Uint8Array(length);
    const blocks: LoadedBlock[] = [];
    let used = 0;
    for (const { from, to } of ranges) {
      const bytes = buffer.subarray(used, used + Math.min(to, virtualSize) - from);
      used += bytes.length;
      await readPadded(guest, bytes, from);
      for (let at = 0; at < bytes.length; at += DIGEST_BLOCK) {
        const block = bytes.subarray(at, at + DIGEST_BLOCK);
        if (!isZero(block)) blocks.push({ block: (from + at) / DIGEST_BLOCK, bytes: block });
      }
    }
    return digestBlocks(blocks);
  };
}
