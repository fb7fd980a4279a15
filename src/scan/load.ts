/** Loads guest bytes into slots of shared memory, task by task, for a thread that wants them in order. */

import type { Task } from '../conversion/plan.ts';
import { type GuestBytes, readPadded } from '../image/guest-bytes.ts';

/** A task, and where in the slots its ranges go, one behind the other. */
export interface LoadTask extends Task {
  readonly slotOffset: number;
}

/** Performs one task at a time. */
export type Loader = (task: LoadTask) => Promise<undefined>;

export function loader(guest: GuestBytes, slots: SharedArrayBuffer): Loader {
  return async (task) => {
    for (const { from, bytes } of loadedParts(task, slots)) await readPadded(guest, bytes, from);
    return undefined;
  };
}

/** The ranges of a task with the memory of each. */
export function* loadedParts(
  { ranges, slotOffset }: LoadTask,
  slots: SharedArrayBuffer,
): Generator<{ readonly from: number; readonly bytes: Uint8Array }> {
  let at = slotOffset;
  for (const { from, to } of ranges) {
    yield { from, bytes: new Uint8Array(slots, at, to - from) };
    at += to - from;
  }
}
