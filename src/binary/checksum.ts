/** The checksum of VHD and of ZVHD records: the ones' complement of the sum of all bytes, in 32 bits. */
export function onesComplementSum(record: Uint8Array, checksumAt: number): number {
  let sum = 0;
  for (let i = 0; i < record.length; i++) {
    if (i < checksumAt || i >= checksumAt + 4) sum += record[i] as number;
  }
  return ~sum >>> 0;
}
