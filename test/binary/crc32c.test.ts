/** CRC-32C against the values of RFC 3720, appendix B.4. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { crc32c } from '../../src/binary/crc32c.ts';

it('has the values of the iSCSI specification', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

it('goes on from what stands before', () => {
  const bytes = new TextEncoder().encode('123456789');
  expect(crc32c(bytes.subarray(4), crc32c(bytes.subarray(0, 4)))).toBe(crc32c(bytes));
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

/** One bit a step, as the specification defines it. */
function bitByBit(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

it('is that of the definition for any length, at any place in memory, in any two pieces', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(15), fc.nat(100), (bytes, skipped, cut) => {
      const moved = new Uint8Array(bytes.length + skipped);
      moved.set(bytes, skipped);
      const view = moved.subarray(skipped);
      expect(crc32c(view)).toBe(bitByBit(bytes));
      expect(crc32c(view.subarray(cut), crc32c(view.subarray(0, cut)))).toBe(bitByBit(bytes));
    }),
  );
});
