/** A block as tokens: literals and matches. */

import {
  DISTANCE_COUNTS,
  HASH3_BITS,
  HASH4_BITS,
  HEADS3,
  HEADS4,
  INPUT,
  LINKS,
  LITERAL_COUNTS,
  MAX_TOKENS,
  TOKENS,
} from './memory';
import { distanceSymbol, matchSymbol } from './symbols';
import { countWord, setWord, word } from './words';

const MAX_LENGTH: u32 = 258;
/** Three bytes from farther away take more bits than they have by themselves. */
const MAX_DISTANCE_OF_3: u32 = 4096;
/** To mix all bits of four bytes into the highest: 2^32 divided by the golden ratio. */
const HASH_FACTOR: u32 = 0x9e3779b1;
/** Places are counted up to here; then the tables are cleared. */
const MAX_PLACE: u32 = 0x40000000;

/** What the first byte of the block is counted as: the tables have places of earlier blocks, which are all below it. */
let base: u32 = 1;

/** To call when a block of `length` bytes is done. */
export function leave(length: u32): void {
  base += length;
  if (base < MAX_PLACE) return;
  base = 1;
  memory.fill(HEADS4, 0, (4 << HASH4_BITS) + (4 << HASH3_BITS));
}

// @ts-expect-error: decorator
@inline
function head4(bytes: u32): usize {
  return HEADS4 + (((bytes * HASH_FACTOR) >> (32 - HASH4_BITS)) << 2);
}

// @ts-expect-error: decorator
@inline
function head3(bytes: u32): usize {
  return HEADS3 + ((((bytes << 8) * HASH_FACTOR) >> (32 - HASH3_BITS)) << 2);
}

/** Enters a place that no match is looked for at. */
// @ts-expect-error: decorator
@inline
function enter(at: u32, mask: u32, base: u32): void {
  const bytes = load<u32>(INPUT + at);
  const head = head4(bytes);
  setWord(LINKS, at & mask, load<u32>(head));
  store<u32>(head, base + at);
  store<u32>(head3(bytes), base + at);
}

/** How many bytes are the same from `a` and from `b` on, at most `limit`, when the first four are. */
// @ts-expect-error: decorator
@inline
function sameFrom(a: usize, b: usize, limit: u32): u32 {
  for (let length: u32 = 4; length < limit; length += 8) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length);
    if (difference !== 0) return min(length + <u32>(ctz(difference) >> 3), limit);
  }
  return limit;
}

/**
 * The longest match at `at`, over `least` bytes long, as a token; 0 for none. Enters the place.
 *
 * Inlined at both of its calls, with the match of three bytes found without a branch: a third of the speed.
 */
// @ts-expect-error: decorator
@inline
function longest(at: u32, end: u32, least: u32, searches: u32, window: u32, enough: u32, base: u32): u32 {
  const mask = window - 1;
  const here: usize = INPUT + at;
  const bytes = load<u32>(here);
  const place = base + at;
  const last4 = head4(bytes);
  const last3 = head3(bytes);
  let candidate = load<u32>(last4);
  const near = load<u32>(last3);
  store<u32>(last4, place);
  store<u32>(last3, place);
  setWord(LINKS, at & mask, candidate);
  const limit = min(end - at, MAX_LENGTH);
  if (limit < 4) return 0;
  // Farther back is another block, or out of the window; just a window back is the link that was stored above.
  const first = at >= window ? place - mask : base;
  let best = least;
  let found: u32 = 0;
  if (best < 3) {
    const isNear = place - near <= min(place - first, MAX_DISTANCE_OF_3);
    const there = isNear ? near - base : at;
    const isSame = ((load<u32>(INPUT + there) ^ bytes) << 8) === 0;
    found = (u32(isNear) & u32(isSame)) * ((3 << 16) | (place - near));
    best = 3;
  }
  // A longer match has the same bytes around the end of the best one.
  let tail = load<u32>(here + best - 3);
  for (let left = searches; candidate >= first && left > 0; left--) {
    const there: usize = INPUT + (candidate - base);
    if (load<u32>(there + best - 3) === tail && load<u32>(there) === bytes) {
      const length = sameFrom(there, here, limit);
      if (length > best) {
        best = length;
        found = (length << 16) | (place - candidate);
        if (length >= enough || length === limit) break;
        tail = load<u32>(here + best - 3);
      }
    }
    candidate = word(LINKS, (candidate - base) & mask);
  }
  return found;
}

// @ts-expect-error: decorator
@inline
function putLiteral(token: usize, at: u32): void {
  const literal: u32 = load<u8>(INPUT + at);
  store<u32>(token, literal);
  countWord(LITERAL_COUNTS, literal);
}

/** Bytes without a match, for each of which one more place is passed over, and the most that are. */
const NOISE: u32 = 256;
const MAX_SKIPPED: u32 = 7;

/** So many bytes tell how many kinds of them there are in a block; a kind counts that has more than a thousandth of them. */
const SAMPLE: u32 = 4096;

/**
 * What a match must have to be worth its distance. Where there are few kinds of bytes, literals take few bits, and so
 * do several of them; where there are very few, most are one and the same, and what is between them is seldom.
 */
function leastLength(from: u32, end: u32): u32 {
  const sampled = min(end - from, SAMPLE);
  for (let i: u32 = 0; i < sampled; i++) countWord(LITERAL_COUNTS, load<u8>(INPUT + from + i));
  let kinds: u32 = 0;
  for (let byte: u32 = 0; byte < 256; byte++) {
    if (word(LITERAL_COUNTS, byte) > sampled >> 10) kinds += 1;
  }
  memory.fill(LITERAL_COUNTS, 0, 4 * 256);
  if (kinds > 64) return 3;
  if (kinds > 32) return 4;
  return kinds > 8 ? 5 : 3;
}

/** Where the tokens end. */
export let tokensEnd: usize = TOKENS;

/**
 * Makes tokens of the input from `from` on, until `end` or until there are enough for a block, and counts their symbols.
 * Returns where they end in the input.
 *
 * `searches` is how many earlier places are tried at each place; a match of `enough` bytes is taken without looking any
 * further. `isLazy` looks for a better one at the next place, too.
 */
export function tokenize(from: u32, end: u32, window: u32, searches: u32, enough: u32, isLazy: bool): u32 {
  const mask = window - 1;
  const first = base;
  const least = leastLength(from, end) - 1;
  let behindMatch = from;
  // Wherever a literal has room, so has the match behind it.
  const full: usize = TOKENS + ((MAX_TOKENS - 1) << 2);
  let token: usize = TOKENS;
  let at = from;
  while (at < end && token < full) {
    let match = longest(at, end, least, searches, window, enough, first);
    if (match === 0) {
      // The longer there has been none, the fewer places are tried: noise is not worth the time.
      const next = min(at + 1 + min((at - behindMatch) / NOISE, MAX_SKIPPED), end);
      while (at < next && token < full) {
        putLiteral(token, at);
        token += 4;
        at += 1;
      }
      continue;
    }
    let entered = at + 1;
    if (isLazy) {
      while (match >> 16 < enough && token < full) {
        const length = match >> 16;
        const next = longest(at + 1, end, length - 1, searches >> 1, window, enough, first);
        entered = at + 2;
        if (next === 0) break;
        // A byte more is worth a distance of two more bits, and so is the literal before it.
        const longer = <i32>(next >> 16) - <i32>length;
        const nearer = <i32>clz(next & 0xffff) - <i32>clz(match & 0xffff);
        if (4 * longer + nearer <= 2) break;
        putLiteral(token, at);
        token += 4;
        at += 1;
        match = next;
      }
    }
    store<u32>(token, match);
    token += 4;
    countWord(LITERAL_COUNTS, 257 + matchSymbol(match >> 16));
    countWord(DISTANCE_COUNTS, distanceSymbol(match & 0xffff));
    at += match >> 16;
    behindMatch = at;
    for (let place = entered; place < at; place++) enter(place, mask, first);
  }
  tokensEnd = token;
  return at;
}
