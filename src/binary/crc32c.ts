/** CRC-32C (Castagnoli, as in iSCSI): seals VHDX, and the metadata of ext4 and xfs. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** The checksum of `bytes`; with the checksum of what stands before them as `seed`, of both. */
export function crc32c(bytes: Uint8Array, seed?: number): number {
  let crc = ~(seed ?? 0);
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}
