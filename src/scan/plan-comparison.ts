/** Plans a comparison: the ranges in which either disk may hold data, as tasks. What both call zero is left out. */

import { alignDown, alignUp } from '../binary/align.ts';
import type { GuestRange, PlanShape } from '../conversion/plan.ts';
import { type Extent, guestEnd } from '../image/extent.ts';

/** A guest range, and which of the two disks may hold data in it: one of them, or both. */
export interface CompareRange extends GuestRange {
  readonly inFirst: boolean;
  readonly inSecond: boolean;
}

/** Some ranges to compare in one go, in guest order, behind those of the task before. */
export interface CompareTask {
  readonly index: number;
  readonly ranges: readonly CompareRange[];
}

/**
 * The tasks for all that is not zero in both.
 * @param size of the larger disk: no range goes past it
 */
export async function* planComparison(
  first: AsyncIterable<Extent>,
  second: AsyncIterable<Extent>,
  shape: PlanShape,
  size: number,
): AsyncGenerator<CompareTask> {
  let index = 0;
  let ranges: CompareRange[] = [];
  let planned = 0;
  for await (const range of pairedRanges(dataRanges(first, shape), dataRanges(second, shape))) {
    const end = Math.min(range.to, size);
    let from = range.from;
    while (from < end) {
      const to = Math.min(end, from + shape.taskSize - planned);
      ranges.push({ ...range, from, to });
      planned += to - from;
      from = to;
      if (planned < shape.taskSize) continue;
      yield { index, ranges };
      index += 1;
      ranges = [];
      planned = 0;
    }
  }
  if (ranges.length > 0) yield { index, ranges };
}

/** The ranges that may hold data, on the grid of the plan; long ones in parts, so that none is waited for. */
async function* dataRanges(
  extents: AsyncIterable<Extent>,
  { alignment, taskSize }: PlanShape,
): AsyncGenerator<GuestRange> {
  let pending: GuestRange | undefined;
  for await (const extent of extents) {
    if (extent.kind === 'zero') continue;
    const from = alignDown(extent.guestOffset, alignment);
    const to = alignUp(guestEnd(extent), alignment);
    if (pending === undefined) {
      pending = { from, to };
    } else if (from <= pending.to && pending.to - pending.from < taskSize) {
      pending = { from: pending.from, to: Math.max(pending.to, to) };
    } else {
      yield pending;
      // Two extents may share a block of the grid: it belongs to the range before.
      pending = { from: Math.max(from, pending.to), to: Math.max(to, pending.to) };
    }
  }
  if (pending) yield pending;
}

/** Both disks' ranges at once, cut where either begins or ends. */
async function* pairedRanges(
  first: AsyncGenerator<GuestRange>,
  second: AsyncGenerator<GuestRange>,
): AsyncGenerator<CompareRange> {
  let at = 0;
  let a = await rangePast(first, at);
  let b = await rangePast(second, at);
  while (a || b) {
    const from = Math.max(at, Math.min(startOf(a), startOf(b)));
    const inFirst = startOf(a) <= from;
    const inSecond = startOf(b) <= from;
    const to = Math.min(borderOf(a, inFirst), borderOf(b, inSecond));
    yield { from, to, inFirst, inSecond };
    at = to;
    if (a && a.to <= at) a = await rangePast(first, at);
    if (b && b.to <= at) b = await rangePast(second, at);
  }
}

/** The next range that does not end before `at`. */
async function rangePast(ranges: AsyncGenerator<GuestRange>, at: number): Promise<GuestRange | undefined> {
  for (;;) {
    const next = await ranges.next();
    if (next.done) return undefined;
    if (next.value.to > at) return next.value;
  }
}

const startOf = (range: GuestRange | undefined): number => range?.from ?? Number.POSITIVE_INFINITY;

/** Where a disk's status changes next. */
const borderOf = (range: GuestRange | undefined, isInside: boolean): number =>
  (isInside ? range?.to : range?.from) ?? Number.POSITIVE_INFINITY;
