/**
 * Reading here and there in an image that is one compressed stream (ZVHD): whatever stands behind takes decoding all that
 * stands before. What is decoded is kept, and there is a limit to how much of it there may be.
 */

import { alignDown, ceilDiv, MiB } from '../binary/align.ts';
import { lowerBound } from '../binary/search.ts';
import { BudgetError } from '../errors.ts';
import type { DiskImage } from '../image/image.ts';

/** Units that are kept, of 2 MiB in ZVHD. */
const MAX_KEPT_BYTES = 64 * MiB;
/** One read may take this part of all decoding that is allowed: places far behind are left out for those before. */
const SHARE = 8;

/**
 * `read` of the image, for any order of reads.
 * @param maxDecodedBytes in all, those that are decoded again counted again
 * @throws BudgetError `over-budget` when a read takes too much decoding
 */
export function sequentialRead(image: DiskImage, maxDecodedBytes: number): DiskImage['read'] {
  const { unit, virtualSize } = image;
  const kept = new Map<number, Uint8Array>();
  let left = maxDecodedBytes;
  /** How many compressed units stand before the next one that can be decoded without going back. */
  let position = 0;
  /** Where compressed units begin, in order. */
  let stored: readonly number[] | undefined;

  const spend = async (at: number): Promise<void> => {
    stored ??= await storedUnits(image);
    const before = lowerBound(stored, at);
    const isStored = lowerBound(stored, at + unit) > before;
    if (!isStored) return;
    const steps = before < position ? before + 1 : before + 1 - position;
    const cost = steps * unit;
    if (cost > maxDecodedBytes / SHARE || cost > left)
      throw new BudgetError(
        'over-budget',
        `The image is one compressed stream: looking at byte ${at} of the disk takes decoding ${cost} bytes before it.`,
        { hint: 'Convert it to another format first, or allow more to be read.' },
      );
    left -= cost;
    position = before + 1;
  };

  const unitAt = async (at: number): Promise<Uint8Array> => {
    const known = kept.get(at);
    if (known !== undefined) {
      kept.delete(at);
      kept.set(at, known);
      return known;
    }
    await spend(at);
    const bytes = new Uint8Array(Math.min(unit, virtualSize - at));
    await image.read(bytes, at);
    kept.set(at, bytes);
    const [oldest] = kept.keys();
    if (kept.size > ceilDiv(MAX_KEPT_BYTES, unit) && oldest !== undefined) kept.delete(oldest);
    return bytes;
  };

  return async (into, guestOffset) => {
    const end = guestOffset + into.length;
    for (let at = alignDown(guestOffset, unit); at < end; at += unit) {
      const bytes = await unitAt(at);
      const from = Math.max(guestOffset, at);
      into.set(bytes.subarray(from - at, Math.min(end - at, bytes.length)), from - guestOffset);
    }
  };
}

async function storedUnits(image: DiskImage): Promise<number[]> {
  const starts: number[] = [];
  for await (const extent of image.extents()) if (extent.kind === 'packed') starts.push(extent.guestOffset);
  return starts;
}
