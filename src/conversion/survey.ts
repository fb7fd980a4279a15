/** Which blocks of a target will hold data, without writing it: by the source's metadata, or by its bytes. */

import { ceilDiv } from '../binary/align.ts';
import { requireNotAborted } from '../errors.ts';
import { type AllocationBits, markStored } from '../image/allocation.ts';
import { type Extent, guestEnd } from '../image/extent.ts';
import type { GuestBytes } from '../image/guest-bytes.ts';
import type { DiskImage } from '../image/image.ts';
import type { Writer } from '../image/writer.ts';
import { type BlockDigests, digestBlocks } from './block-digest.ts';
import { storedBlocksOf, taskReader } from './load-blocks.ts';
import { planShape, planTasks, type Task } from './plan.ts';

/** The extents of the source that are on the target's disk. */
export const sharedExtents = (image: DiskImage, { virtualSize }: Writer): AsyncIterable<Extent> =>
  image.extents(0, Math.min(image.virtualSize, virtualSize));

/** Marks every block that may hold data. Reads metadata only: a block of zeros that the source stores counts too. */
export const surveyMetadata = (image: DiskImage, writer: Writer, stored: AllocationBits): Promise<void> =>
  surveyExtents(sharedExtents(image, writer), writer.unit, stored);

/** The same for extents in guest order. */
export async function surveyExtents(
  extents: AsyncIterable<Extent>,
  unit: number,
  stored: AllocationBits,
): Promise<void> {
  let marked = 0;
  for await (const extent of extents) {
    if (extent.kind === 'zero') continue;
    const end = Math.min(ceilDiv(guestEnd(extent), unit), stored.blockCount);
    for (let block = Math.max(marked, Math.floor(extent.guestOffset / unit)); block < end; block++) {
      markStored(stored, block);
    }
    marked = Math.max(marked, end);
  }
}

/** Performs one task at a time: finds the blocks that a conversion would store, and digests them where that is wanted. */
export type Surveyor = (task: Task) => Promise<BlockDigests | undefined>;

/** @param stored where they are marked, if anywhere */
export function surveyor(
  guest: GuestBytes,
  unit: number,
  stored: AllocationBits | undefined,
  digests: boolean,
): Surveyor {
  const readTask = taskReader();
  return async (task) => {
    const blocks = [...storedBlocksOf(await readTask(task, guest), unit, false)];
    if (stored) for (const { block } of blocks) markStored(stored, block);
    return digests ? digestBlocks(blocks) : undefined;
  };
}

/** The tasks of a survey of the bytes. */
export const surveyTasks = (image: DiskImage, writer: Writer): AsyncGenerator<Task> =>
  planTasks(sharedExtents(image, writer), planShape(image.unit, writer.unit));

/** Marks exactly the blocks that a conversion would store: those that are not all zeros. Reads all data. */
export async function surveyData(
  image: DiskImage,
  writer: Writer,
  stored: AllocationBits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const survey = surveyor(image, writer.unit, stored, false);
  for await (const task of surveyTasks(image, writer)) {
    requireNotAborted(signal);
    await survey(task);
  }
}
