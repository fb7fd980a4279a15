/**
 * Deflate (RFC 1951): one block of a disk at a time, on its own. Compiled to WebAssembly; {@link ../encoder.ts} is what
 * calls it.
 */

import { out, startAt, toByte } from './bits';
import { clearCounts, putBlock, putEmptyStored } from './blocks';
import { leave, tokenize } from './matches';
import { INPUT, PAST_INPUT } from './memory';
import { fillTables } from './symbols';

fillTables();

/** The address of the block that is to be deflated. */
export const input: usize = INPUT;

/** Makes room for a block of `length` bytes and an output of `bound`; returns the address of the output. */
export function reserve(length: u32, bound: u32): usize {
  const output = INPUT + length + PAST_INPUT;
  const pages = <i32>((output + bound + 0xffff) >> 16);
  const more = pages - memory.size();
  if (more > 0 && memory.grow(more) < 0) unreachable();
  return output;
}

/**
 * Deflates the first `length` bytes of the input to `output`; returns how many bytes they become. `isLast` ends the stream
 * with them; without it they end on a byte. For the rest see {@link tokenize}.
 */
export function deflate(
  length: u32,
  output: usize,
  isLast: bool,
  window: u32,
  searches: u32,
  enough: u32,
  isLazy: bool,
): u32 {
  startAt(output);
  let at: u32 = 0;
  do {
    clearCounts();
    const next = tokenize(at, length, window, searches, enough, isLazy);
    putBlock(at, next, isLast && next === length);
    at = next;
  } while (at < length);
  if (!isLast) putEmptyStored();
  toByte();
  leave(length);
  return <u32>(out - output);
}

const ADLER_PRIME: u32 = 65521;
/** Bytes, by fours, that are summed before the sums could be too large. */
const SUMMED: u32 = 5552;

/** Adler-32 (RFC 1950, section 9) of the first `length` bytes of the input. */
export function adler32(length: u32): u32 {
  let a: u32 = 1;
  let b: u32 = 0;
  for (let at: u32 = 0; at < length; ) {
    const end = min(length, at + SUMMED);
    for (; at + 4 <= end; at += 4) {
      const bytes = load<u32>(INPUT + at);
      const first = bytes & 0xff;
      const second = (bytes >> 8) & 0xff;
      const third = (bytes >> 16) & 0xff;
      const fourth = bytes >> 24;
      b += 4 * (a + first) + 3 * second + 2 * third + fourth;
      a += first + second + third + fourth;
    }
    for (; at < end; at++) {
      a += load<u8>(INPUT + at);
      b += a;
    }
    a %= ADLER_PRIME;
    b %= ADLER_PRIME;
  }
  return (b << 16) | a;
}
