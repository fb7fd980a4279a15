/** Numbers of any size in few bytes: seven bits each, the lowest first, the top bit set on all but the last (LEB128). */

import { CorruptImageError } from '../errors.ts';

/** @param numbers safe integers, none below 0 */
export function encodeVarints(numbers: Iterable<number>): Uint8Array {
  let bytes = new Uint8Array(64);
  let used = 0;
  for (const number of numbers) {
    if (used + 8 > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    let rest = number;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[used++] = 0x80 + (rest % 0x80);
    bytes[used++] = rest;
  }
  return bytes.slice(0, used);
}

/** @throws CorruptImageError `bad-data` for a number that is not complete, or above 2^53 - 1 */
export function* decodeVarints(bytes: Uint8Array): Generator<number> {
  let number = 0;
  let scale = 1;
  for (const byte of bytes) {
    number += (byte % 0x80) * scale;
    if (!Number.isSafeInteger(number)) throw broken();
    scale *= 0x80;
    if (byte >= 0x80) continue;
    yield number;
    number = 0;
    scale = 1;
  }
  if (scale !== 1) throw broken();
}

const broken = (): CorruptImageError =>
  new CorruptImageError('bad-data', 'A list of numbers is damaged.', {
    hint: 'Begin anew, without what was saved.',
  });
