/** CRC-32C against the values of RFC 3720, appendix B.4. */

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
