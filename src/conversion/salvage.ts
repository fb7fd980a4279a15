/**
 * Reading what can be read of a damaged image. A range that fails is halved until what is left is a single block, or
 * works: so the loss is as small as the damage, and known.
 */

import { alignDown } from '../binary/align.ts';
import { CancelledError, type ErrorCode, ImageError } from '../errors.ts';
import { type Extent, visiblePart } from '../image/extent.ts';
import type { DiskImage } from '../image/image.ts';

/** A guest range that could not be read; it is zeros in the output. */
export interface LostRange {
  readonly guestOffset: number;
  readonly length: number;
  /** Why: of the first error that was met in it. */
  readonly code: ErrorCode;
  readonly message: string;
}

/** Ranges are halved down to this, or to the image's block where that is larger. */
const MIN_LOSS = 4096;
/** Extents are looked for in steps of this many bytes, so that an error does not take all the disk with it. */
const STEP = 2 ** 30;

const smallestLoss = (unit: number): number => Math.max(unit, MIN_LOSS);

/** The image with its damage read past; ranges that are lost are zeros, and `lose` is told of them. */
export const salvagedImage = <I extends Salvageable>(image: I, lose: (range: LostRange) => void): I => ({
  ...image,
  extents: (from = 0, to = image.virtualSize) => salvagedExtents(image, from, to, lose),
  read: (into, guestOffset) => salvagedRead(image, into, guestOffset, lose),
});

type Salvageable = Pick<DiskImage, 'virtualSize' | 'unit' | 'extents' | 'read'>;

/** The extents of [from, to), as far as the metadata tells them; the rest is given to `lose`. */
async function* salvagedExtents(
  image: Salvageable,
  from: number,
  to: number,
  lose: (range: LostRange) => void,
): AsyncGenerator<Extent> {
  const step = Math.max(STEP, image.unit);
  for (let at = from; at < to; at = Math.min(to, at + step)) {
    yield* extentsOf(image, at, Math.min(to, at + step), lose);
  }
}

async function* extentsOf(
  image: Salvageable,
  from: number,
  to: number,
  lose: (range: LostRange) => void,
): AsyncGenerator<Extent> {
  let done = from;
  try {
    for await (const extent of image.extents(from, to)) {
      const visible = visiblePart(extent, from, to);
      yield visible;
      done = visible.guestOffset + visible.length;
    }
  } catch (error) {
    const reason = requireLoss(error);
    const middle = middleOf(done, to, smallestLoss(image.unit));
    if (middle === undefined) {
      lose({ guestOffset: done, length: to - done, ...reason });
      return;
    }
    yield* extentsOf(image, done, middle, lose);
    yield* extentsOf(image, middle, to, lose);
  }
}

/** Fills all of `into`, with zeros where nothing can be read. */
async function salvagedRead(
  image: Salvageable,
  into: Uint8Array,
  guestOffset: number,
  lose: (range: LostRange) => void,
): Promise<void> {
  try {
    await image.read(into, guestOffset);
  } catch (error) {
    const reason = requireLoss(error);
    const end = guestOffset + into.length;
    const middle = middleOf(guestOffset, end, smallestLoss(image.unit));
    if (middle === undefined) {
      into.fill(0);
      lose({ guestOffset, length: into.length, ...reason });
      return;
    }
    await salvagedRead(image, into.subarray(0, middle - guestOffset), guestOffset, lose);
    await salvagedRead(image, into.subarray(middle - guestOffset), middle, lose);
  }
}

/** Where to cut [from, to): at a multiple of `unit`, undefined when it is within one. */
function middleOf(from: number, to: number, unit: number): number | undefined {
  const half = alignDown(from + Math.ceil((to - from) / 2), unit);
  const middle = half > from ? half : alignDown(from, unit) + unit;
  return middle < to ? middle : undefined;
}

/** What is not damage goes on its way. */
function requireLoss(error: unknown): Pick<LostRange, 'code' | 'message'> {
  if (!(error instanceof ImageError) || error instanceof CancelledError) throw error;
  if (error.code === 'source-changed' || error.code === 'over-budget') throw error;
  return { code: error.code, message: error.message };
}

/** In guest order, neighbours of one code as one. */
export function mergeLosses(ranges: readonly LostRange[]): LostRange[] {
  const merged: LostRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.guestOffset - b.guestOffset)) {
    const last = merged.at(-1);
    const end = last ? last.guestOffset + last.length : 0;
    if (last?.code !== range.code || end < range.guestOffset) {
      merged.push(range);
      continue;
    }
    const length = Math.max(end, range.guestOffset + range.length) - last.guestOffset;
    merged[merged.length - 1] = { ...last, length };
  }
  return merged;
}
