/** A digest of what the guest sees that costs nothing for zeros, however large the disk and however it says zero. */

import { createHash } from 'node:crypto';
import { KiB, MiB } from '../../src/binary/align.ts';
import type { DiskImage } from '../../src/index.ts';
import { isZero } from '../../src/io/zeros.ts';

const BLOCK = 64 * KiB;
const READ = 4 * MiB;

/** Reads all that may hold data. The same guest bytes give the same digest, in whatever image they are. */
export async function guestDigest(image: DiskImage): Promise<string> {
  const digest = createHash('sha256').update(`${image.virtualSize}`);
  const buffer = new Uint8Array(READ);
  /** Guest offset up to which blocks have been digested. */
  let done = 0;
  for await (const extent of image.extents()) {
    if (extent.kind === 'zero') continue;
    const end = Math.min(Math.ceil((extent.guestOffset + extent.length) / BLOCK) * BLOCK, image.virtualSize);
    let at = Math.max(done, Math.floor(extent.guestOffset / BLOCK) * BLOCK);
    while (at < end) {
      const part = buffer.subarray(0, Math.min(READ, end - at));
      await image.read(part, at);
      for (let from = 0; from < part.length; from += BLOCK) {
        const block = part.subarray(from, from + BLOCK);
        if (!isZero(block)) digest.update(`@${at + from}:`).update(block);
      }
      at += part.length;
    }
    done = Math.max(done, end);
  }
  return digest.digest('hex');
}
