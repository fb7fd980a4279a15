/**
 * Seeded content that is the same on every machine and in every run: half of the granules are text, which
 * compresses about as well as files do, and half are random, which do not compress.
 */

import { createCipheriv } from 'node:crypto';
import { KiB, MiB } from '../src/binary/align.ts';

/** Content changes its kind at multiples of this, in bytes. */
export const GRANULE = 64 * KiB;

/** Random bytes that depend on the seed only. */
export interface RandomStream {
  fill(into: Uint8Array): void;
  /** A whole number from 0 to `limit` − 1; `limit` up to 2^32. */
  below(limit: number): number;
}

/** The key stream of AES-128 in counter mode: good randomness, at the speed of memory. */
export function randomStream(seed: number): RandomStream {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(MiB);
  const numberCipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16, 1));
  let numbers = Buffer.alloc(0);
  let next = 0;
  return {
    fill(into) {
      for (let at = 0; at < into.length; at += zeros.length) {
        into.set(cipher.update(zeros.subarray(0, Math.min(zeros.length, into.length - at))), at);
      }
    },
    below(limit) {
      if (next === numbers.length) {
        numbers = numberCipher.update(zeros.subarray(0, 64 * KiB));
        next = 0;
      }
      next += 4;
      return numbers.readUInt32LE(next - 4) % limit;
    },
  };
}

/** Fills buffers of whole granules with the mix of text and random bytes. */
export interface ContentStream {
  fill(into: Uint8Array): void;
}

export function contentStream(seed: number): ContentStream {
  const random = randomStream(seed);
  const text = textOf(random);
  let isText = false;

  function fillText(into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const length = Math.min(32 + random.below(224), into.length - at);
      const from = random.below(text.length - length);
      into.set(text.subarray(from, from + length), at);
      at += length;
    }
  }

  return {
    fill(into) {
      for (let at = 0; at < into.length; at += GRANULE) {
        const granule = into.subarray(at, at + GRANULE);
        isText = !isText;
        if (isText) fillText(granule);
        else random.fill(granule);
      }
    },
  };
}

const WORD_COUNT = 4096;
const LETTERS = 'etaoinshrdlucmfwypvbgkjqxz';

/** 1 MiB of made-up words, common ones more often; snippets of it make up all text. */
function textOf(random: RandomStream): Uint8Array {
  const words = Array.from({ length: WORD_COUNT }, () => wordOf(random));
  const parts: string[] = [];
  for (let length = 0; length < MiB; ) {
    const word = words[random.below(1 + random.below(WORD_COUNT))] as string;
    const part = word + (random.below(12) === 0 ? '.\n' : ' ');
    parts.push(part);
    length += part.length;
  }
  return Buffer.from(parts.join(''), 'latin1');
}

const wordOf = (random: RandomStream): string =>
  Array.from(
    { length: 2 + random.below(9) },
    () => LETTERS[random.below(1 + random.below(LETTERS.length))],
  ).join('');
