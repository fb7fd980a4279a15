/** Tables of u32. */

// @ts-expect-error: decorator
@inline
export function word(table: usize, i: u32): u32 {
  return load<u32>(table + (i << 2));
}

// @ts-expect-error: decorator
@inline
export function setWord(table: usize, i: u32, value: u32): void {
  store<u32>(table + (i << 2), value);
}

/** One more. */
// @ts-expect-error: decorator
@inline
export function countWord(table: usize, i: u32): void {
  const at = table + (i << 2);
  store<u32>(at, load<u32>(at) + 1);
}
