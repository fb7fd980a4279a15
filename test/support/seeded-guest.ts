/** Guest bytes that are the same on every machine: runs of zeros, repeated text and random bytes, none aligned. */

import { createHash } from 'node:crypto';

/** xorshift32: the same sequence of 32-bit numbers for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

export function fillRandom(into: Uint8Array, random: () => number): void {
  for (let at = 0; at < into.length; at++) into[at] = random() & 0xff;
}

/** `size` bytes; runs are up to `longest` bytes. The first and the last bytes are not zero. */
export function seededGuest(size: number, seed: number, longest = 200_000): Buffer {
  const random = seededRandom(seed);
  const guest = Buffer.alloc(size);
  for (let at = 0, kind = 1; at < size; kind = random() % 4) {
    const end = Math.min(size, at + 1 + (random() % longest));
    const run = guest.subarray(at, end);
    if (kind === 1) run.fill(`sector ${random()} of a long row of small rooms; `);
    else if (kind === 2) fillRandom(run.subarray(0, 20_000), random);
    else if (kind === 3) run.fill(random() & 0xff);
    at = end;
  }
  if (size > 0) guest[size - 1] = 0x5a;
  return guest;
}

/** `size` bytes of words in no order: compresses like prose, everywhere. */
export function seededText(size: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const words = Array.from({ length: 2000 }, () =>
    (random() * 4096).toString(36).slice(0, 2 + (random() % 7)),
  );
  const text = Buffer.alloc(size, ' ');
  for (let at = 0; at < size; ) at += 1 + text.write(words[random() % words.length] as string, at);
  return text;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
