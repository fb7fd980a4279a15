/** Runs a conversion: plans it, chooses who performs it, and writes what stands around the blocks. */

import { CancelledError } from '../errors.ts';
import type { Extent } from '../image/extent.ts';
import type { Identity } from '../image/identity.ts';
import type { DiskImage } from '../image/image.ts';
import type { ByteTarget } from '../io/target.ts';
import { contentDigest } from './block-digest.ts';
import { type Executor, runTasks, staffed } from './executor.ts';
import { type ConversionOutput, finishOutput } from './output.ts';
import { performer, type TaskResult } from './perform.ts';
import { planShape, planTasks, type Task, taskEnd } from './plan.ts';
import { closeTurnstile, type Turnstile } from './turnstile.ts';

export interface Conversion {
  readonly image: DiskImage;
  readonly target: ByteTarget;
  readonly output: ConversionOutput;
  readonly turnstile: Turnstile;
  readonly sparseSize: number;
  readonly keepsZeros: boolean;
  readonly digests: boolean;
  /** The image of the source's chain on which the output builds: only what differs from it is converted. */
  readonly base: { readonly depth: number; readonly virtualSize: number } | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  /** Starts threads; undefined where the source is not a file, which they could open. */
  readonly startPool: (() => Promise<Executor<Task, TaskResult>>) | undefined;
  /** The identity of the output, given the digest of its blocks where digests are made. */
  readonly identify: (digest: Uint8Array) => Identity;
}

export interface Progress {
  /** Guest bytes that are behind, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes written to the output so far. */
  readonly writtenBytes: number;
}

/** Returns the size of the output file. @throws CancelledError, and whatever reading and writing throw */
export async function runConversion(conversion: Conversion): Promise<number> {
  const { output, target, identify } = conversion;
  const digest = await performTasks(conversion);
  return finishOutput(output, target, identify(digest));
}

async function performTasks(conversion: Conversion): Promise<Uint8Array> {
  const { image, output, turnstile, signal, onProgress } = conversion;
  const shape = planShape(image.unit, output.writer.unit);
  const { tasks, executor } = await staffed(
    planTasks(extentsToConvert(conversion), shape),
    () => performer(conversion),
    conversion.startPool,
  );
  const totalBytes = output.writer.virtualSize;
  const digest = contentDigest();
  let writtenBytes = 0;
  try {
    for await (const { task, result } of runTasks(tasks, executor, () => closeTurnstile(turnstile))) {
      requireNotAborted(signal);
      if (result.digests) digest.add(result.digests);
      writtenBytes += result.written;
      onProgress?.({ doneBytes: Math.min(taskEnd(task), totalBytes), totalBytes, writtenBytes });
    }
  } finally {
    await executor.close();
  }
  requireNotAborted(signal);
  onProgress?.({ doneBytes: totalBytes, totalBytes, writtenBytes });
  return digest.finish();
}

/** @throws CancelledError */
export function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new CancelledError({ cause: signal.reason });
}

/** The extents of the source that are on the target's disk; where no hole may be left, all of it is data. */
async function* extentsToConvert({ image, output, sparseSize, base }: Conversion): AsyncGenerator<Extent> {
  const { writer } = output;
  if (base) {
    yield* extentsAbove(image, base, writer.virtualSize);
    return;
  }
  const isFull = sparseSize === 0 && writer.kind === 'layout' && writer.placement === 'in-place';
  if (isFull) yield { kind: 'data', guestOffset: 0, length: writer.virtualSize, fileOffset: 0 };
  else yield* image.extents(0, Math.min(image.virtualSize, writer.virtualSize));
}

/**
 * What an overlay of the image `depth` files down has to hold: all that stands above it, zeros too where it may show
 * otherwise.
 */
async function* extentsAbove(
  image: DiskImage,
  base: { readonly depth: number; readonly virtualSize: number },
  virtualSize: number,
): AsyncGenerator<Extent> {
  for await (const extent of image.extents(0, Math.min(image.virtualSize, virtualSize))) {
    if ((extent.depth ?? 0) >= base.depth) continue;
    const { kind, guestOffset, length } = extent;
    if (kind !== 'zero') yield extent;
    else if (extent.explicit || guestOffset < base.virtualSize) {
      yield { kind: 'data', guestOffset, length, fileOffset: 0 };
    }
  }
}
