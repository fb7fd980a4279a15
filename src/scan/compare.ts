/** Compares two disks task by task. On any thread. */

import { withName } from '../errors.ts';
import { readPadded } from '../image/guest-bytes.ts';
import type { DiskImage } from '../image/image.ts';
import { type Differences, differencesOf, joined } from './differences.ts';
import type { CompareTask } from './plan-comparison.ts';

/** Performs one task at a time: what differs in its ranges, or undefined. */
export type Comparer = (task: CompareTask) => Promise<Differences | undefined>;

/** Past the end of the smaller disk zeros are compared. */
export function comparer(first: DiskImage, second: DiskImage): Comparer {
  const readFirst = bufferedReader(first);
  const readSecond = bufferedReader(second);
  return async ({ ranges }) => {
    let found: Differences | undefined;
    for (const { from, to, inFirst, inSecond } of ranges) {
      const a = inFirst ? await readFirst(from, to) : undefined;
      const b = inSecond ? await readSecond(from, to) : undefined;
      const bytes = a ?? b;
      if (bytes) found = joined(found, differencesOf(bytes, a && b, from));
    }
    return found;
  };
}

/** Reads a range into a buffer of its own, which stays; zeros past the end of the disk. */
function bufferedReader(image: DiskImage): (from: number, to: number) => Promise<Uint8Array> {
  let buffer = new Uint8Array(0);
  return async (from, to) => {
    if (buffer.length < to - from) buffer = new Uint8Array(to - from);
    const bytes = buffer.subarray(0, to - from);
    await readPadded(image, bytes, from).catch((error) => {
      throw withName(error, image.source.name);
    });
    return bytes;
  };
}
