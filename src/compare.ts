/** Compares two images: does the guest see the same bytes, in whatever format they are kept? */

import { SECTOR } from './binary/align.ts';
import { runTasks, staffed } from './conversion/executor.ts';
import { planShape } from './conversion/plan.ts';
import { CancelledError, ImageError, requireNotAborted, withName } from './errors.ts';
import type { FormatName } from './formats/index.ts';
import type { Extent } from './image/extent.ts';
import type { Note } from './image/reader.ts';
import {
  type ImageInput,
  type OpenedImage,
  type OpenImageOptions,
  openImage,
  threadsToRead,
} from './open.ts';
import { comparer } from './scan/compare.ts';
import { type Differences, joined } from './scan/differences.ts';
import { planComparison } from './scan/plan-comparison.ts';
import type { ReadingProgress } from './scan/progress.ts';
import type { CompareJob } from './workers/job-kinds.ts';
import { createPool, requireThreads } from './workers/pool.ts';

export interface CompareOptions {
  /** How to open the first image; by default its bytes tell. */
  readonly first?: OpenImageOptions;
  /** How to open the second one. */
  readonly second?: OpenImageOptions;
  /**
   * Are disks of different sizes different, and nothing more looked at? Without it the rest of the larger disk has to
   * be zeros. (qemu-img's strict mode compares too what is allocated; this does not.)
   */
  readonly strict?: boolean;
  /** Look no further than the first difference. */
  readonly stopAtFirst?: boolean;
  /** Worker threads, by default as many as the machine runs at once. The report does not depend on it. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called after each task, in guest order. */
  readonly onProgress?: (progress: ReadingProgress) => void;
}

/** One of the two images. */
export interface ComparedImage {
  readonly filename: string;
  readonly format: FormatName;
  readonly virtualSize: number;
}

export interface CompareReport {
  readonly identical: boolean;
  /** Are the virtual sizes the same? */
  readonly sameSize: boolean;
  readonly images: readonly [ComparedImage, ComparedImage];
  /** Guest offset of the first byte that differs. Left out where none does, or none was looked at. */
  readonly firstDifference?: number;
  /** How much differs; left out where only the first difference, or none, was looked for. */
  readonly differences?: {
    /** Sectors of 512 bytes in which something differs. */
    readonly sectors: number;
    /** Runs of such sectors. */
    readonly ranges: number;
  };
  /** What a user should know of the images. */
  readonly notes: readonly Note[];
}

/** Where a comparison failed: opening, finding out which parts hold data, or reading data. */
export type CompareStage = 'open' | 'extents' | 'data';

/** Why two images could not be compared: the error that was met, with where it was. */
export class CompareError extends ImageError {
  readonly stage: CompareStage;

  constructor(stage: CompareStage, cause: ImageError) {
    const { code, message, format, fileOffset, guestOffset, hint } = cause;
    super(code, message, { format, fileOffset, guestOffset, hint, cause });
    this.stage = stage;
  }
}

/**
 * Compares what the guest sees, on threads of its own if there is much to read. What both images call zero is not
 * read. All of the disks is looked at, to tell how much differs, unless the caller wants it otherwise.
 * @throws CompareError when an image cannot be opened or read; OptionError `bad-option`; CancelledError when `signal`
 * was aborted
 */
export async function compareImages(
  first: ImageInput,
  second: ImageInput,
  options: CompareOptions = {},
): Promise<CompareReport> {
  requireThreads(options.threads);
  requireNotAborted(options.signal);
  await using a = await at('open', openImage(first, options.first));
  await using b = await at('open', openImage(second, options.second));
  const images = [describe(a), describe(b)] as const;
  const sameSize = a.virtualSize === b.virtualSize;
  const notes = [...a.notes, ...b.notes];
  if (options.strict && !sameSize) return { identical: false, sameSize, images, notes };

  const found = await at('data', differences(a, b, options));
  await at('data', a.requireUnchanged());
  await at('data', b.requireUnchanged());
  if (!found) return { identical: true, sameSize, images, differences: { sectors: 0, ranges: 0 }, notes };
  const { firstByte, sectors, runs } = found;
  const isComplete = !options.stopAtFirst;
  return {
    identical: false,
    sameSize,
    images,
    firstDifference: firstByte,
    ...(isComplete && { differences: { sectors, ranges: runs } }),
    notes,
  };
}

const describe = ({ source, format, virtualSize }: OpenedImage): ComparedImage => ({
  filename: source.name,
  format,
  virtualSize,
});

async function differences(
  a: OpenedImage,
  b: OpenedImage,
  { threads, stopAtFirst, signal, onProgress }: CompareOptions,
): Promise<Differences | undefined> {
  // Every thread decodes a sequential image from its start.
  const isSequential = a.isSequential || b.isSequential;
  const startPool = (images: CompareJob['images']) => () =>
    createPool(
      { kind: 'compare', images },
      isSequential ? 1 : (threads ?? Math.max(threadsToRead(a), threadsToRead(b))),
    );
  const shape = planShape(a.unit, Math.max(SECTOR, planShape(b.unit, 1).alignment));
  const size = Math.max(a.virtualSize, b.virtualSize);
  const { tasks, executor } = await staffed(
    planComparison(extentsOf(a), extentsOf(b), shape, size),
    () => comparer(a, b),
    a.reopen && b.reopen && startPool([a.reopen, b.reopen]),
  );
  let found: Differences | undefined;
  try {
    for await (const { task, result } of runTasks(tasks, executor, () => {})) {
      requireNotAborted(signal);
      onProgress?.({ doneBytes: task.ranges.at(-1)?.to ?? 0, totalBytes: size });
      found = joined(found, result);
      if (found && stopAtFirst) break;
    }
  } finally {
    await executor.close();
  }
  requireNotAborted(signal);
  onProgress?.({ doneBytes: size, totalBytes: size });
  return found;
}

async function* extentsOf(image: OpenedImage): AsyncGenerator<Extent> {
  try {
    yield* image.extents();
  } catch (error) {
    throw failedAt('extents', withName(error, image.source.name));
  }
}

async function at<T>(stage: CompareStage, step: Promise<T>): Promise<T> {
  return step.catch((error) => {
    throw failedAt(stage, error);
  });
}

/** The inner stage counts; what is not about an image stays as it is. */
function failedAt(stage: CompareStage, error: unknown): unknown {
  const isAboutImage =
    error instanceof ImageError && !(error instanceof CompareError) && !(error instanceof CancelledError);
  return isAboutImage ? new CompareError(stage, error) : error;
}
