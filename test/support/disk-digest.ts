/** What a disk holds, in one line: fast for disks of which little is stored, and with an end for those without one. */

import { createHash } from 'node:crypto';
import type { DiskImage } from '../../src/image/image.ts';

/** What is looked at of a disk, in extents and bytes: hostile sizes have no end. */
const MAX_EXTENTS = 20_000;
const MAX_BYTES = 32 * 1024 * 1024;
const CHUNK = 2 * 1024 * 1024;
const SECTOR = 512;

/**
 * The same for two disks of the same size and bytes, whatever is data in one and a hole in the other. Walks all
 * extents, and reads what they do not say to be zero.
 */
export async function diskDigest(image: DiskImage): Promise<string> {
  const hash = createHash('sha256');
  let left = MAX_BYTES;
  let count = 0;
  for await (const { kind, guestOffset, length } of image.extents()) {
    if (++count > MAX_EXTENTS || left <= 0) break;
    if (kind === 'zero') continue;
    const end = guestOffset + Math.min(length, left);
    for (let at = guestOffset; at < end; ) {
      // Up to a multiple of the chunk: a sector is hashed as the same place, however extents are cut.
      const chunk = new Uint8Array(Math.min(end, at + CHUNK - (at % CHUNK)) - at).fill(0xa5);
      await image.read(chunk, at);
      addSectors(hash, chunk, at);
      at += chunk.length;
    }
    left -= length;
  }
  return `${image.virtualSize} ${hash.digest('hex')}`;
}

/** Adds the bytes of `chunk`, sector by sector, without those that are all zero. */
function addSectors(hash: ReturnType<typeof createHash>, chunk: Uint8Array, start: number): void {
  for (let at = 0; at < chunk.length; ) {
    const end = Math.min(chunk.length, at + SECTOR - ((start + at) % SECTOR));
    const sector = chunk.subarray(at, end);
    if (Buffer.compare(sector, ZEROS.subarray(0, sector.length)) !== 0)
      hash.update(`${start + at} `).update(sector);
    at = end;
  }
}

const ZEROS = Buffer.alloc(SECTOR);
