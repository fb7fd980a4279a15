/** The output, bit by bit, first bit lowest (RFC 1951, section 3.1.1). */

/** Where the next bytes go. */
export let out: usize = 0;
/** Fewer than 32 bits that are not there yet. */
let held: u64 = 0;
let heldBits: u64 = 0;

export function startAt(to: usize): void {
  out = to;
  held = 0;
  heldBits = 0;
}

/** At most 32 bits. */
// @ts-expect-error: decorator
@inline
export function put(value: u32, bits: u32): void {
  held |= (<u64>value) << heldBits;
  heldBits += bits;
  if (heldBits < 32) return;
  store<u32>(out, <u32>held);
  out += 4;
  held >>= 32;
  heldBits -= 32;
}

/** A code as it stands in a table, its bits in the highest byte. */
// @ts-expect-error: decorator
@inline
export function putCode(code: u32): void {
  put(code & 0xffffff, code >> 24);
}

/** Fills the last byte with zeros. */
export function toByte(): void {
  for (; heldBits > 0; heldBits = heldBits > 8 ? heldBits - 8 : 0) {
    store<u8>(out, <u8>held);
    out += 1;
    held >>= 8;
  }
  held = 0;
}

/** Bytes as they are, from a byte on. */
export function putBytes(from: usize, length: u32): void {
  memory.copy(out, from, length);
  out += length;
}
