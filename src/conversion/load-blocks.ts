/** Guest bytes of a task, and the blocks of them that a writer stores. */

import type { GuestBytes } from '../image/guest-bytes.ts';
import { readPadded } from '../image/guest-bytes.ts';
import { isZeroWithin } from '../io/zeros.ts';
import type { LoadedBlock } from './block-digest.ts';
import type { GuestRange, Task } from './plan.ts';

export interface Loaded extends GuestRange {
  readonly bytes: Uint8Array;
}

/** Reads the ranges of one task at a time, with zeros past the end of the disk, into memory that the next one reuses. */
export type TaskReader = (task: Task, guest: GuestBytes) => Promise<Loaded[]>;

export function taskReader(): TaskReader {
  let buffer = new Uint8Array(0);
  return async ({ ranges }, guest) => {
    const length = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    if (buffer.length < length) buffer = new Uint8Array(length);
    let at = 0;
    const loaded: Loaded[] = [];
    for (const { from, to } of ranges) {
      const bytes = buffer.subarray(at, at + to - from);
      await readPadded(guest, bytes, from);
      loaded.push({ from, to, bytes });
      at += bytes.length;
    }
    return loaded;
  };
}

/** The blocks of `unit` bytes that are stored: those that are not all zeros, or all of them. */
export function* storedBlocksOf(
  loaded: readonly Loaded[],
  unit: number,
  keepsZeros: boolean,
): Generator<LoadedBlock> {
  for (const { from, bytes } of loaded) {
    for (let at = 0; at < bytes.length; at += unit) {
      if (!keepsZeros && isZeroWithin(bytes, at, at + unit)) continue;
      yield { block: (from + at) / unit, bytes: bytes.subarray(at, at + unit) };
    }
  }
}
