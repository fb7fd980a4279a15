/** Which sectors of a file are in use: a bit for each. */

import { ceilDiv, SECTOR } from '../../binary/align.ts';

export interface SectorMap {
  /** Takes `length` bytes from `fileOffset`, rounded to sectors; false when one was taken already. */
  claim(fileOffset: number, length: number): boolean;
  /** File offset behind the last sector that is taken. */
  readonly end: number;
}

/** Places are 32 bits of sectors: what is behind has none. */
const MAX_SECTORS = 2 ** 32;

export function sectorMap(fileSize: number): SectorMap {
  const count = Math.min(MAX_SECTORS, ceilDiv(fileSize, SECTOR));
  const bits = new Uint8Array(ceilDiv(count, 8));
  let last = 0;
  return {
    claim(fileOffset, length) {
      const end = Math.min(count, ceilDiv(fileOffset + length, SECTOR));
      let isFree = true;
      for (let sector = Math.floor(fileOffset / SECTOR); sector < end; ) {
        const byte = Math.floor(sector / 8);
        const bit = sector % 8;
        const run = Math.min(8 - bit, end - sector);
        const mask = ((1 << run) - 1) << bit;
        const before = bits[byte] as number;
        if ((before & mask) !== 0) isFree = false;
        bits[byte] = before | mask;
        sector += run;
      }
      last = Math.max(last, end);
      return isFree;
    },
    get end() {
      return Math.min(fileSize, last * SECTOR);
    },
  };
}
