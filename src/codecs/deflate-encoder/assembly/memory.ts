/**
 * Where things stand in the module's memory. All have a fixed place but the output, which is behind the block that is
 * deflated.
 */

/** Matches go back at most this far (RFC 1951, section 3.2.5). */
export const MAX_WINDOW: u32 = 32768;
/** Bits of the hash of four bytes, and of three. */
export const HASH4_BITS: u32 = 14;
export const HASH3_BITS: u32 = 12;
/** The most tokens of a deflate block: with its own codes for each few of them the output is smaller than with one code for many. */
export const MAX_TOKENS: u32 = 8192;

/** Symbols of each alphabet (RFC 1951, sections 3.2.5 and 3.2.7), with those that are in the fixed codes only. */
export const LITERALS: u32 = 288;
export const DISTANCES: u32 = 32;
export const LENGTHS: u32 = 19;

/** u32 for each hash of four bytes: the last place that has it. Places are counted on from block to block. */
export const HEADS4: usize = 1024;
/** u32 for each hash of three bytes: the last place that has it. */
export const HEADS3: usize = HEADS4 + (4 << HASH4_BITS);
/** u32 for each place in the window: the place before it with the same hash of four bytes. */
export const LINKS: usize = HEADS3 + (4 << HASH3_BITS);

/** u32 each: a literal, or `length << 16 | distance`. */
export const TOKENS: usize = LINKS + 4 * MAX_WINDOW;

/** u32 for each symbol: how often it is used in the block. */
export const LITERAL_COUNTS: usize = TOKENS + 4 * MAX_TOKENS;
export const DISTANCE_COUNTS: usize = LITERAL_COUNTS + 4 * LITERALS;
export const LENGTH_COUNTS: usize = DISTANCE_COUNTS + 4 * DISTANCES;

/** u8 for each symbol: the bits of its code, 0 for none. */
export const LITERAL_BITS: usize = LENGTH_COUNTS + 4 * LENGTHS;
export const DISTANCE_BITS: usize = LITERAL_BITS + LITERALS;
export const LENGTH_BITS: usize = DISTANCE_BITS + DISTANCES;
/** The same of the fixed codes (RFC 1951, section 3.2.6). */
export const FIXED_LITERAL_BITS: usize = LENGTH_BITS + 32;
export const FIXED_DISTANCE_BITS: usize = FIXED_LITERAL_BITS + LITERALS;

/** u32 for each symbol: its code, first bit lowest, and in the highest byte its bits. */
export const LITERAL_CODES: usize = FIXED_DISTANCE_BITS + DISTANCES;
export const DISTANCE_CODES: usize = LITERAL_CODES + 4 * LITERALS;
export const LENGTH_CODES: usize = DISTANCE_CODES + 4 * DISTANCES;
/** u32 for each length of a match: its code with the extra bits behind, and in the highest byte the bits of both. */
export const MATCH_CODES: usize = LENGTH_CODES + 4 * 20;

/** u8 for each length of a match: its symbol, counted from 257. */
export const MATCH_SYMBOLS: usize = MATCH_CODES + 4 * 260;
/** For each of these symbols: its extra bits (u8), and the least length that it stands for (u16). */
export const MATCH_EXTRA: usize = MATCH_SYMBOLS + 260;
export const MATCH_LEAST: usize = MATCH_EXTRA + 32;

/** u16 each: the bits of codes as they are written, a symbol of 0 to 18, and above it the value of its extra bits. */
export const RUNS: usize = MATCH_LEAST + 64;

/** For the making of a code: u32 for each symbol that is in use, twice, and u32 for each length of a code. */
export const HUFFMAN_KEYS: usize = RUNS + 2 * 320;
export const HUFFMAN_WEIGHTS: usize = HUFFMAN_KEYS + 4 * LITERALS;
export const HUFFMAN_COUNTS: usize = HUFFMAN_WEIGHTS + 4 * LITERALS;

/** The block, a whole number of memory's pages from the start. Some bytes behind its end are read, and do not matter. */
export const INPUT: usize = 0x50000;
export const PAST_INPUT: u32 = 64;
