/** Lengths and distances as symbols with extra bits (RFC 1951, section 3.2.5). */

import {
  DISTANCES,
  FIXED_DISTANCE_BITS,
  FIXED_LITERAL_BITS,
  LITERALS,
  MATCH_EXTRA,
  MATCH_LEAST,
  MATCH_SYMBOLS,
} from './memory';

/** Fills what never changes. */
export function fillTables(): void {
  let length: u32 = 3;
  for (let symbol: u32 = 0; symbol < 28; symbol++) {
    const extra: u32 = symbol < 8 ? 0 : (symbol >> 2) - 1;
    store<u8>(MATCH_EXTRA + symbol, extra);
    store<u16>(MATCH_LEAST + (symbol << 1), length);
    for (let left = 1 << extra; left > 0; left--) store<u8>(MATCH_SYMBOLS + length++, symbol);
  }
  // The longest has a symbol of its own, without extra bits.
  store<u8>(MATCH_EXTRA + 28, 0);
  store<u16>(MATCH_LEAST + (28 << 1), 258);
  store<u8>(MATCH_SYMBOLS + 258, 28);

  for (let symbol: u32 = 0; symbol < LITERALS; symbol++) {
    store<u8>(FIXED_LITERAL_BITS + symbol, symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8);
  }
  memory.fill(FIXED_DISTANCE_BITS, 5, DISTANCES);
}

/** Of a length of 3 to 258: counted from 257. */
// @ts-expect-error: decorator
@inline
export function matchSymbol(length: u32): u32 {
  return load<u8>(MATCH_SYMBOLS + length);
}

/** Of a distance of 1 to 32768. */
// @ts-expect-error: decorator
@inline
export function distanceSymbol(distance: u32): u32 {
  const before = distance - 1;
  if (before < 2) return before;
  const highest = 31 - clz(before);
  return (highest << 1) | ((before >> (highest - 1)) & 1);
}

/** How many bits follow a distance symbol: the lowest bits of the distance less 1. */
// @ts-expect-error: decorator
@inline
export function distanceExtra(symbol: u32): u32 {
  return symbol < 2 ? 0 : (symbol >> 1) - 1;
}
