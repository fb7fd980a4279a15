/** Our ciphers of many sectors at once, against Node's of one sector. */

import { createCipheriv, createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sectorCipher } from '../../src/encryption/sector-cipher.ts';

const SECTOR = 512;

const sectorIv = (number: number): Uint8Array => {
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64LE(BigInt(number));
  return iv;
};

const essivIv =
  (key: Uint8Array) =>
  (number: number): Uint8Array => {
    const hashed = createHash('sha256').update(key).digest();
    const cipher = createCipheriv('aes-256-ecb', hashed, null).setAutoPadding(false);
    return cipher.update(sectorIv(number));
  };

const cases = [
  ['xts-plain64', 64, 'aes-256-xts', () => sectorIv],
  ['xts-plain64', 32, 'aes-128-xts', () => sectorIv],
  ['xts-plain', 64, 'aes-256-xts', () => (number: number) => sectorIv(number % 2 ** 32)],
  ['cbc-plain64', 32, 'aes-256-cbc', () => sectorIv],
  ['cbc-plain64', 16, 'aes-128-cbc', () => sectorIv],
  ['cbc-plain', 24, 'aes-192-cbc', () => (number: number) => sectorIv(number % 2 ** 32)],
  ['cbc-essiv:sha256', 32, 'aes-256-cbc', essivIv],
] as const;

describe.each(cases)('aes-%s with %d bytes of key', (cipherMode, keyBytes, nodeName, ivOf) => {
  test('is what Node makes of each sector, and comes back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: keyBytes, maxLength: keyBytes }),
        fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 2 ** 32 - 9, max: 2 ** 40 })),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 0, max: 3 }),
        (key, firstSector, count, shift) => {
          // Node refuses XTS with two halves that are the same.
          if (key.every((byte) => byte === key[0])) return;
          const plain = Buffer.alloc(count * SECTOR, 'diskimg ');
          const expected = Buffer.concat(
            Array.from({ length: count }, (_, i) => {
              const iv = ivOf(key)(firstSector + i);
              const cipher = createCipheriv(nodeName, key, iv).setAutoPadding(false);
              return cipher.update(plain.subarray(i * SECTOR, (i + 1) * SECTOR));
            }),
          );
          const cipher = sectorCipher({ cipherName: 'aes', cipherMode }, key);
          // In memory that begins anywhere.
          const bytes = new Uint8Array(plain.length + shift).subarray(shift);
          bytes.set(plain);
          cipher.encrypt(bytes, firstSector);
          expect(Buffer.compare(bytes, expected)).toBe(0);
          cipher.decrypt(bytes, firstSector);
          expect(Buffer.compare(bytes, plain)).toBe(0);
        },
      ),
      { numRuns: 12 },
    );
  });
});

test.each([
  ['serpent', 'xts-plain64', 64],
  ['aes', 'xts-random', 64],
  ['aes', 'ecb', 32],
  ['aes', 'cbc-essiv:md17', 32],
  ['aes', 'xts-plain64', 63],
  ['aes', 'xts-plain64', 16],
])('refuses %s-%s with %d bytes of key', (cipherName, cipherMode, keyBytes) => {
  expect(() => sectorCipher({ cipherName, cipherMode }, new Uint8Array(keyBytes))).toThrow(
    expect.objectContaining({ code: 'unsupported-feature', hint: expect.any(String) }),
  );
});

test('a part of a sector is an error of the caller', () => {
  const cipher = sectorCipher({ cipherName: 'aes', cipherMode: 'xts-plain64' }, new Uint8Array(64));
  expect(() => cipher.decrypt(new Uint8Array(500), 0)).toThrow(RangeError);
});
