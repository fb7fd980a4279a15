/** Plans: a conversion's work as data. Threads have no part in it, so that they cannot change the output. */

import { alignDown, alignUp, MiB } from '../binary/align.ts';
import { type Extent, guestEnd } from '../image/extent.ts';

/** A guest range that may hold data, its ends multiples of the plan's alignment. */
export interface GuestRange {
  readonly from: number;
  readonly to: number;
}

/** Some ranges to convert in one go, in guest order, behind those of the task before. */
export interface Task {
  /** 0, 1, 2, … */
  readonly index: number;
  readonly ranges: readonly GuestRange[];
}

export interface PlanShape {
  /** Ranges begin and end at multiples of this, a power of two. */
  readonly alignment: number;
  /** Bytes of guest data in a task, a multiple of the alignment. */
  readonly taskSize: number;
}

/** What a thread reads and writes at a time: large enough for the disk, small enough for memory. */
const TASK_SIZE = 4 * MiB;
/** Blocks that decode as a whole are at most this large. */
const MAX_PACKED_BLOCK = 32 * MiB;

/** @param sourceUnit block of the source image; @param targetUnit block of the writer; both powers of two */
export function planShape(sourceUnit: number, targetUnit: number): PlanShape {
  const alignment = Math.max(targetUnit, Math.min(sourceUnit, MAX_PACKED_BLOCK));
  return { alignment, taskSize: Math.max(TASK_SIZE, alignment) };
}

/** The tasks for all extents that are not zero. */
export async function* planTasks(
  extents: AsyncIterable<Extent>,
  { alignment, taskSize }: PlanShape,
): AsyncGenerator<Task> {
  let index = 0;
  let ranges: GuestRange[] = [];
  let planned = 0;
  /** Guest offset up to which ranges have been made. */
  let covered = 0;
  for await (const extent of extents) {
    if (extent.kind === 'zero') continue;
    const end = alignUp(guestEnd(extent), alignment);
    let from = Math.max(covered, alignDown(extent.guestOffset, alignment));
    while (from < end) {
      const to = Math.min(end, from + taskSize - planned);
      addRange(ranges, from, to);
      planned += to - from;
      from = to;
      if (planned < taskSize) continue;
      yield { index, ranges };
      index += 1;
      ranges = [];
      planned = 0;
    }
    covered = Math.max(covered, end);
  }
  if (ranges.length > 0) yield { index, ranges };
}

/** Appends a range, as part of the last one where it follows it. */
function addRange(ranges: GuestRange[], from: number, to: number): void {
  const last = ranges.at(-1);
  if (last?.to === from) ranges[ranges.length - 1] = { from: last.from, to };
  else ranges.push({ from, to });
}

/** Guest offset behind everything that a task converts. */
export const taskEnd = ({ ranges }: Task): number => ranges.at(-1)?.to ?? 0;
