/** CRC-32 as in IEEE 802.3: what GUID partition tables are sealed with. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

export const crc32 = (bytes: Uint8Array): number => ~crc32State(0xffffffff, bytes) >>> 0;

/** The state of the register after `bytes`, for those who begin or end with another one. */
export function crc32State(state: number, bytes: Uint8Array): number {
  let crc = state;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  return crc >>> 0;
}
