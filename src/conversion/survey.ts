/** Which blocks of a target will hold data, without writing it: by the source's metadata, or by its bytes. */

import { ceilDiv } from '../binary/align.ts';
import { requireNotAborted } from '../errors.ts';
import { type AllocationBits, markStored } from '../image/allocation.ts';
import { type Extent, guestEnd } from '../image/extent.ts';
import type { DiskImage } from '../image/image.ts';
import type { Writer } from '../image/writer.ts';
import { isZeroWithin } from '../io/zeros.ts';
import { planShape, planTasks } from './plan.ts';

/** The extents of the source that are on the target's disk. */
const sharedExtents = (image: DiskImage, { virtualSize }: Writer): AsyncIterable<Extent> =>
  image.extents(0, Math.min(image.virtualSize, virtualSize));

/** Marks every block that may hold data. Reads metadata only: a block of zeros that the source stores counts too. */
export async function surveyMetadata(
  image: DiskImage,
  writer: Writer,
  stored: AllocationBits,
): Promise<void> {
  const { unit } = writer;
  let marked = 0;
  for await (const extent of sharedExtents(image, writer)) {
    if (extent.kind === 'zero') continue;
    const end = Math.min(ceilDiv(guestEnd(extent), unit), stored.blockCount);
    for (let block = Math.max(marked, Math.floor(extent.guestOffset / unit)); block < end; block++) {
      markStored(stored, block);
    }
    marked = Math.max(marked, end);
  }
}

/** Marks exactly the blocks that a conversion would store: those that are not all zeros. Reads all data. */
export async function surveyData(
  image: DiskImage,
  writer: Writer,
  stored: AllocationBits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { unit } = writer;
  const onDisk = Math.min(image.virtualSize, writer.virtualSize);
  let buffer = new Uint8Array(0);
  for await (const { ranges } of planTasks(sharedExtents(image, writer), planShape(image.unit, unit))) {
    requireNotAborted(signal);
    for (const { from, to } of ranges) {
      const length = Math.min(to, onDisk) - from;
      if (length <= 0) continue;
      if (buffer.length < length) buffer = new Uint8Array(to - from);
      await image.read(buffer.subarray(0, length), from);
      for (let at = 0; at < length; at += unit) {
        if (!isZeroWithin(buffer, at, Math.min(at + unit, length))) markStored(stored, (from + at) / unit);
      }
    }
  }
}
