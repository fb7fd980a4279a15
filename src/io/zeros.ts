/** Finding zeros, at the speed of memory. */

import { Buffer } from 'node:buffer';

const ZEROS = Buffer.alloc(64 * 1024);

/** Data rarely begins with this many zeros: a look at them spares most calls out of JavaScript. */
const FIRST_LOOK = 32;

/** Are all bytes zero? */
export const isZero = (bytes: Uint8Array): boolean => isZeroWithin(bytes, 0, bytes.length);

/** Are all bytes of [start, end) zero? */
export function isZeroWithin(bytes: Uint8Array, start: number, end: number): boolean {
  const looked = Math.min(start + FIRST_LOOK, end);
  for (let at = start; at < looked; at++) {
    if (bytes[at] !== 0) return false;
  }
  for (let at = looked; at < end; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, end - at);
    if (ZEROS.compare(bytes, at, at + length, 0, length) !== 0) return false;
  }
  return true;
}

/** Index of the first byte that is not zero, or -1. */
export function firstNonZero(bytes: Uint8Array): number {
  return isZero(bytes) ? -1 : bytes.findIndex((byte) => byte !== 0);
}

/**
 * The runs of `bytes` that hold data, looked at in steps of `granularity` bytes. With a granularity of 0 nothing
 * counts as zero.
 */
export function* dataRuns(
  bytes: Uint8Array,
  granularity: number,
): Generator<{ readonly start: number; readonly end: number }> {
  if (granularity === 0) {
    if (bytes.length > 0) yield { start: 0, end: bytes.length };
    return;
  }
  let start = -1;
  for (let at = 0; at < bytes.length; at += granularity) {
    const end = Math.min(at + granularity, bytes.length);
    if (isZeroWithin(bytes, at, end)) {
      if (start >= 0) yield { start, end: at };
      start = -1;
    } else if (start < 0) {
      start = at;
    }
  }
  if (start >= 0) yield { start, end: bytes.length };
}
