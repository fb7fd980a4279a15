/** Where two disks differ: counted in sectors, so that the bytes are looked at one by one in a single sector only. */

import { Buffer } from 'node:buffer';
import { KiB, SECTOR } from '../binary/align.ts';
import { isZeroWithin } from '../io/zeros.ts';

/** What differs in a part of two disks. */
export interface Differences {
  /** Guest offset of the first byte that differs. */
  readonly firstByte: number;
  /** Sectors of 512 bytes in which something differs. */
  readonly sectors: number;
  /** Runs of such sectors. */
  readonly runs: number;
  /** Guest offsets where the first run begins and the last one ends. */
  readonly from: number;
  readonly to: number;
}

/** What differs in two parts, the second one behind the first. */
export function joined(
  before: Differences | undefined,
  after: Differences | undefined,
): Differences | undefined {
  if (!before || !after) return before ?? after;
  const isOneRun = before.to === after.from;
  return {
    firstByte: before.firstByte,
    sectors: before.sectors + after.sectors,
    runs: before.runs + after.runs - (isOneRun ? 1 : 0),
    from: before.from,
    to: after.to,
  };
}

/** Steps in which equal bytes are passed over. */
const STEP = 64 * KiB;

/**
 * Compares the bytes at `guestOffset`, a multiple of 512, with those of another disk.
 * @param others undefined for zeros, otherwise as long as `bytes`
 */
export function differencesOf(
  bytes: Uint8Array,
  others: Uint8Array | undefined,
  guestOffset: number,
): Differences | undefined {
  const isSame = equality(bytes, others);
  if (isSame(0, bytes.length)) return undefined;
  let found: Differences | undefined;
  for (let step = 0; step < bytes.length; step += STEP) {
    const stepEnd = Math.min(step + STEP, bytes.length);
    if (isSame(step, stepEnd)) continue;
    for (let at = step; at < stepEnd; at += SECTOR) {
      if (isSame(at, Math.min(at + SECTOR, stepEnd))) continue;
      const from = guestOffset + at;
      found = joined(found, {
        firstByte: found ? found.firstByte : guestOffset + firstDifference(bytes, others, at),
        sectors: 1,
        runs: 1,
        from,
        to: from + SECTOR,
      });
    }
  }
  return found;
}

/** Is a range of the bytes the same in both? */
function equality(
  bytes: Uint8Array,
  others: Uint8Array | undefined,
): (start: number, end: number) => boolean {
  if (others === undefined) return (start, end) => isZeroWithin(bytes, start, end);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return (start, end) => view.compare(others, start, end, start, end) === 0;
}

function firstDifference(bytes: Uint8Array, others: Uint8Array | undefined, start: number): number {
  let at = start;
  while (bytes[at] === (others ? others[at] : 0)) at += 1;
  return at;
}
