/** Codes for symbols by how often they are used. */

import { HUFFMAN_COUNTS as OF_BITS, HUFFMAN_KEYS as KEYS, HUFFMAN_WEIGHTS as WEIGHTS } from './memory';
import { countWord, setWord, word } from './words';

/** Below the count in a key: a symbol. */
const SYMBOL_BITS: u32 = 9;
const SYMBOL: u32 = (1 << SYMBOL_BITS) - 1;
/** Codes have at most this many bits (RFC 1951, section 3.2.7). */
const MAX_BITS: u32 = 15;

/**
 * Finds how many bits the code of each of `symbols` symbols has, at most `limit`, so that all together take least. `counts`
 * are u32, `bits` u8 each; a symbol that is never used has none.
 */
export function findBits(counts: usize, symbols: u32, limit: u32, bits: usize): void {
  let used: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = word(counts, symbol);
    if (count !== 0) setWord(KEYS, used++, (count << SYMBOL_BITS) | symbol);
  }
  memory.fill(bits, 0, symbols);
  if (used < 2) {
    // A code with one symbol is not complete: not every reader takes it. Another has the other bit.
    const only = used === 0 ? 0 : word(KEYS, 0) & SYMBOL;
    store<u8>(bits + only, 1);
    store<u8>(bits + (only === 0 ? 1 : 0), 1);
    return;
  }
  sortKeys(used);
  for (let i: u32 = 0; i < used; i++) setWord(WEIGHTS, i, word(KEYS, i) >> SYMBOL_BITS);
  toDepths(used);
  countDepths(used, limit);
  makeRoom(limit);
  let rarest: u32 = 0;
  for (let length = limit; length >= 1; length--) {
    for (let left = word(OF_BITS, length); left > 0; left--) {
      store<u8>(bits + (word(KEYS, rarest++) & SYMBOL), <u8>length);
    }
  }
}

/** The rarest first: Shell's sort. */
function sortKeys(used: u32): void {
  let gap: u32 = 121;
  while (gap >= used) gap = (gap - 1) / 3;
  for (; gap > 0; gap = (gap - 1) / 3) {
    for (let i = gap; i < used; i++) {
      const moved = word(KEYS, i);
      let j = i;
      for (; j >= gap && word(KEYS, j - gap) > moved; j -= gap) setWord(KEYS, j, word(KEYS, j - gap));
      setWord(KEYS, j, moved);
    }
  }
}

/**
 * Sorted weights become the depths of the tree's inner nodes: Moffat and Katajainen, "In-place calculation of
 * minimum-redundancy codes", 1995.
 */
function toDepths(used: u32): void {
  let node: u32 = 0;
  let leaf: u32 = 2;
  setWord(WEIGHTS, 0, word(WEIGHTS, 0) + word(WEIGHTS, 1));
  for (let next: u32 = 1; next < used - 1; next++) {
    // The two least weights, of nodes and of leaves, make the next node.
    let sum: u32 = 0;
    for (let child = 0; child < 2; child++) {
      if (leaf >= used || (node < next && word(WEIGHTS, node) < word(WEIGHTS, leaf))) {
        sum += word(WEIGHTS, node);
        setWord(WEIGHTS, node++, next);
      } else {
        sum += word(WEIGHTS, leaf++);
      }
    }
    setWord(WEIGHTS, next, sum);
  }
  setWord(WEIGHTS, used - 2, 0);
  for (let next = <i32>used - 3; next >= 0; next--) setWord(WEIGHTS, next, word(WEIGHTS, word(WEIGHTS, next)) + 1);
}

/** How many leaves there are at each depth, those that are too deep at the limit. */
function countDepths(used: u32, limit: u32): void {
  memory.fill(OF_BITS, 0, 4 * (MAX_BITS + 1));
  let node = <i32>used - 2;
  let depth: u32 = 0;
  for (let here: u32 = 1; here > 0; depth++) {
    let nodes: u32 = 0;
    for (; node >= 0 && word(WEIGHTS, node) === depth; node--) nodes += 1;
    const bits = min(depth, limit);
    setWord(OF_BITS, bits, word(OF_BITS, bits) + here - nodes);
    here = 2 * nodes;
  }
}

/** Where the limit has made codes shorter than they should be, there are more than fit: others become longer. */
function makeRoom(limit: u32): void {
  let taken: u32 = 0;
  for (let bits: u32 = 1; bits <= limit; bits++) taken += word(OF_BITS, bits) << (limit - bits);
  for (; taken > 1 << limit; taken--) {
    let bits = limit - 1;
    while (word(OF_BITS, bits) === 0) bits -= 1;
    setWord(OF_BITS, bits, word(OF_BITS, bits) - 1);
    setWord(OF_BITS, bits + 1, word(OF_BITS, bits + 1) + 2);
    setWord(OF_BITS, limit, word(OF_BITS, limit) - 1);
  }
}

/** The codes that the bits stand for (RFC 1951, section 3.2.2). */
export function findCodes(bits: usize, symbols: u32, codes: usize): void {
  memory.fill(OF_BITS, 0, 4 * (MAX_BITS + 1));
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    countWord(OF_BITS, load<u8>(bits + symbol));
  }
  let code: u32 = 0;
  let shorter: u32 = 0;
  for (let length: u32 = 1; length <= MAX_BITS; length++) {
    const here = word(OF_BITS, length);
    code = (code + shorter) << 1;
    setWord(OF_BITS, length, code);
    shorter = here;
  }
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length: u32 = load<u8>(bits + symbol);
    if (length === 0) continue;
    const next = word(OF_BITS, length);
    setWord(OF_BITS, length, next + 1);
    setWord(codes, symbol, (reversed(next) >> (16 - length)) | (length << 24));
  }
}

/** 16 bits, the last first. */
function reversed(bits: u32): u32 {
  let turned = ((bits & 0x5555) << 1) | ((bits >> 1) & 0x5555);
  turned = ((turned & 0x3333) << 2) | ((turned >> 2) & 0x3333);
  turned = ((turned & 0x0f0f) << 4) | ((turned >> 4) & 0x0f0f);
  return ((turned & 0xff) << 8) | (turned >> 8);
}
