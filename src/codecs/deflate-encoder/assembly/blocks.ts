/** Tokens as a block of the stream: with codes of its own, with the fixed ones, or stored, whichever takes least. */

import { put, putBytes, putCode, toByte } from './bits';
import { findBits, findCodes } from './huffman';
import { tokensEnd } from './matches';
import {
  DISTANCE_BITS,
  DISTANCE_CODES,
  DISTANCE_COUNTS,
  FIXED_DISTANCE_BITS,
  FIXED_LITERAL_BITS,
  INPUT,
  LENGTH_BITS,
  LENGTH_CODES,
  LENGTH_COUNTS,
  LENGTHS,
  LITERAL_BITS,
  LITERAL_CODES,
  LITERAL_COUNTS,
  LITERALS,
  MATCH_CODES,
  MATCH_EXTRA,
  MATCH_LEAST,
  RUNS,
  TOKENS,
} from './memory';
import { distanceExtra, distanceSymbol, matchSymbol } from './symbols';
import { countWord, setWord, word } from './words';

/** Symbols that are used: the fixed codes have two more literals, and two more distances. */
const USED_LITERALS: u32 = 286;
const USED_DISTANCES: u32 = 30;
const END_OF_BLOCK: u32 = 256;
/** Bytes that a stored block has at most. */
const MAX_STORED: u32 = 65535;

/** The types of blocks (RFC 1951, section 3.2.3). */
const STORED: u32 = 0;
const FIXED: u32 = 1;
const DYNAMIC: u32 = 2;

// @ts-expect-error: decorator
@inline
function putType(type: u32, isLast: bool): void {
  put((type << 1) | u32(isLast), 3);
}

export function clearCounts(): void {
  memory.fill(LITERAL_COUNTS, 0, LENGTH_COUNTS - LITERAL_COUNTS);
}

/** Writes the tokens, which are the input from `from` to `to`. */
export function putBlock(from: u32, to: u32, isLast: bool): void {
  setWord(LITERAL_COUNTS, END_OF_BLOCK, 1);
  findBits(LITERAL_COUNTS, USED_LITERALS, 15, LITERAL_BITS);
  findBits(DISTANCE_COUNTS, USED_DISTANCES, 15, DISTANCE_BITS);
  const literals = withoutEnd(LITERAL_BITS, USED_LITERALS, 257);
  const distances = withoutEnd(DISTANCE_BITS, USED_DISTANCES, 1);
  findRuns(literals, distances);
  findBits(LENGTH_COUNTS, LENGTHS, 7, LENGTH_BITS);
  let lengths = LENGTHS;
  while (lengths > 4 && load<u8>(LENGTH_BITS + inOrder(lengths - 1)) === 0) lengths -= 1;

  const dynamic: u32 = 14 + 3 * lengths + sizeOfRuns() + sizeOfTokens(LITERAL_BITS, DISTANCE_BITS);
  const fixed: u32 = sizeOfTokens(FIXED_LITERAL_BITS, FIXED_DISTANCE_BITS);
  // With a byte for the type and four for the length of each of as many as there must be.
  const stored: u32 = 8 * (to - from) + 40 * (1 + (to - from) / MAX_STORED);
  if (stored <= min<u32>(fixed, dynamic)) {
    putStored(from, to, isLast);
  } else if (fixed <= dynamic) {
    putType(FIXED, isLast);
    findCodes(FIXED_LITERAL_BITS, LITERALS, LITERAL_CODES);
    findCodes(FIXED_DISTANCE_BITS, USED_DISTANCES, DISTANCE_CODES);
    putTokens();
  } else {
    putType(DYNAMIC, isLast);
    put(literals - 257, 5);
    put(distances - 1, 5);
    put(lengths - 4, 4);
    putLengths(lengths);
    findCodes(LITERAL_BITS, USED_LITERALS, LITERAL_CODES);
    findCodes(DISTANCE_BITS, USED_DISTANCES, DISTANCE_CODES);
    putTokens();
  }
}

/** A stored block with nothing in it, which ends on a byte: what zlib calls a sync flush. */
export function putEmptyStored(): void {
  putType(STORED, false);
  toByte();
  put(0xffff0000, 32);
}

function putStored(from: u32, to: u32, isLast: bool): void {
  for (let at = from; at < to; ) {
    const length = min(to - at, MAX_STORED);
    putType(STORED, isLast && at + length === to);
    toByte();
    put(length | (~length << 16), 32);
    putBytes(INPUT + at, length);
    at += length;
  }
}

function withoutEnd(bits: usize, symbols: u32, least: u32): u32 {
  let left = symbols;
  while (left > least && load<u8>(bits + left - 1) === 0) left -= 1;
  return left;
}

/** Bits of the tokens with these codes. */
function sizeOfTokens(literalBits: usize, distanceBits: usize): u32 {
  let size: u32 = 0;
  for (let symbol: u32 = 0; symbol < USED_LITERALS; symbol++) {
    const extra: u32 = symbol <= END_OF_BLOCK ? 0 : load<u8>(MATCH_EXTRA + (symbol - 257));
    size += word(LITERAL_COUNTS, symbol) * (load<u8>(literalBits + symbol) + extra);
  }
  for (let symbol: u32 = 0; symbol < USED_DISTANCES; symbol++) {
    const bits: u32 = load<u8>(distanceBits + symbol);
    size += word(DISTANCE_COUNTS, symbol) * (bits + distanceExtra(symbol));
  }
  return size;
}

/** How many there are of {@link RUNS}. */
let runs: u32 = 0;

/** The bits of both codes, one behind the other, as runs (RFC 1951, section 3.2.7), and how often each symbol is used. */
function findRuns(literals: u32, distances: u32): void {
  runs = 0;
  memory.fill(LENGTH_COUNTS, 0, 4 * LENGTHS);
  findRunsOf(LITERAL_BITS, literals);
  findRunsOf(DISTANCE_BITS, distances);
}

function findRunsOf(bits: usize, symbols: u32): void {
  for (let at: u32 = 0; at < symbols; ) {
    const length: u32 = load<u8>(bits + at);
    let left: u32 = 1;
    while (at + left < symbols && load<u8>(bits + at + left) === length) left += 1;
    at += left;
    if (length === 0) {
      for (; left >= 11; left -= min<u32>(left, 138)) addRun(18, min<u32>(left, 138) - 11);
      if (left >= 3) {
        addRun(17, left - 3);
        left = 0;
      }
    } else if (left >= 4) {
      addRun(length, 0);
      left -= 1;
      for (; left >= 3; left -= min<u32>(left, 6)) addRun(16, min<u32>(left, 6) - 3);
    }
    for (; left > 0; left--) addRun(length, 0);
  }
}

function addRun(symbol: u32, extra: u32): void {
  store<u16>(RUNS + (runs << 1), symbol | (extra << 5));
  runs += 1;
  countWord(LENGTH_COUNTS, symbol);
}

function runExtra(symbol: u32): u32 {
  return symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7;
}

/** The order in which their bits are written: 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15. */
function inOrder(i: u32): u32 {
  if (i < 3) return 16 + i;
  if (i === 3) return 0;
  return i & 1 ? 7 - ((i - 5) >> 1) : 8 + ((i - 4) >> 1);
}

function sizeOfRuns(): u32 {
  let size: u32 = 0;
  for (let symbol: u32 = 0; symbol < LENGTHS; symbol++) {
    const bits: u32 = load<u8>(LENGTH_BITS + symbol);
    size += word(LENGTH_COUNTS, symbol) * (bits + runExtra(symbol));
  }
  return size;
}

function putLengths(lengths: u32): void {
  for (let i: u32 = 0; i < lengths; i++) put(load<u8>(LENGTH_BITS + inOrder(i)), 3);
  findCodes(LENGTH_BITS, LENGTHS, LENGTH_CODES);
  for (let i: u32 = 0; i < runs; i++) {
    const run: u32 = load<u16>(RUNS + (i << 1));
    const symbol = run & 31;
    putCode(word(LENGTH_CODES, symbol));
    put(run >> 5, runExtra(symbol));
  }
}

/** The codes of all lengths of matches, with their extra bits. */
function findMatchCodes(): void {
  for (let length: u32 = 3; length <= 258; length++) {
    const symbol = matchSymbol(length);
    const code = word(LITERAL_CODES, 257 + symbol);
    const bits = code >> 24;
    const extra = length - <u32>load<u16>(MATCH_LEAST + (symbol << 1));
    const all = bits + <u32>load<u8>(MATCH_EXTRA + symbol);
    setWord(MATCH_CODES, length, (code & 0xffff) | (extra << bits) | (all << 24));
  }
}

function putTokens(): void {
  findMatchCodes();
  const end = tokensEnd;
  for (let at: usize = TOKENS; at < end; at += 4) {
    const token = load<u32>(at);
    if (token < 0x10000) {
      putCode(word(LITERAL_CODES, token));
    } else {
      putCode(word(MATCH_CODES, token >> 16));
      const distance = token & 0xffff;
      const symbol = distanceSymbol(distance);
      const code = word(DISTANCE_CODES, symbol);
      const bits = code >> 24;
      const extra = distanceExtra(symbol);
      put((code & 0xffff) | (((distance - 1) & ((1 << extra) - 1)) << bits), bits + extra);
    }
  }
  putCode(word(LITERAL_CODES, END_OF_BLOCK));
}
