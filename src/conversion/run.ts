/** Runs a conversion: plans it, chooses who performs it, and writes what stands around the blocks. */

import { requireNotAborted } from '../errors.ts';
import type { Extent } from '../image/extent.ts';
import type { Identity } from '../image/identity.ts';
import type { DiskImage } from '../image/image.ts';
import type { ByteTarget } from '../io/target.ts';
import { contentDigest } from './block-digest.ts';
import { type Executor, runTasks, staffed } from './executor.ts';
import { withinExpansion } from './expansion.ts';
import { type ConversionOutput, finishOutput } from './output.ts';
import { performer, type TaskResult } from './perform.ts';
import { planShape, planTasks, type Task, taskEnd } from './plan.ts';
import { type LostRange, salvagedImage } from './salvage.ts';
import { closeTurnstile, type Turnstile } from './turnstile.ts';

export interface Conversion {
  readonly image: DiskImage;
  readonly target: ByteTarget;
  readonly output: ConversionOutput;
  readonly turnstile: Turnstile;
  readonly sparseSize: number;
  readonly salvage: boolean;
  /** Told of each range that could not be read, in no particular order. */
  readonly onLoss: (range: LostRange) => void;
  /** How many times larger than its files the data of the image may be. */
  readonly maxExpansion: number;
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
    () => performer({ ...conversion, keepsZeros: conversion.base !== undefined }),
    conversion.startPool,
  );
  const totalBytes = output.writer.virtualSize;
  const digest = contentDigest();
  let writtenBytes = 0;
  // Not when the next task is done: a thread can be stuck on a disk that does not answer.
  const stop = (): void => void executor.close();
  signal?.addEventListener('abort', stop);
  try {
    for await (const { task, result } of runTasks(tasks, executor, () => closeTurnstile(turnstile))) {
      requireNotAborted(signal);
      if (result.digests) digest.add(result.digests);
      for (const range of result.lost ?? []) conversion.onLoss(range);
      writtenBytes += result.written;
      onProgress?.({ doneBytes: Math.min(taskEnd(task), totalBytes), totalBytes, writtenBytes });
    }
  } catch (error) {
    requireNotAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    await executor.close();
  }
  requireNotAborted(signal);
  onProgress?.({ doneBytes: totalBytes, totalBytes, writtenBytes });
  return digest.finish();
}

/** The extents of the source that are on the target's disk; where no hole may be left, all of it is data. */
function extentsToConvert(conversion: Conversion): AsyncIterable<Extent> {
  const { image, output, sparseSize, base, salvage, onLoss, maxExpansion } = conversion;
  const { writer } = output;
  const end = Math.min(image.virtualSize, writer.virtualSize);
  const isFull = sparseSize === 0 && writer.kind === 'layout' && writer.placement === 'in-place';
  if (isFull && !salvage) return wholeDisk(writer.virtualSize);
  const extents = (salvage ? salvagedImage(image, onLoss) : image).extents(0, end);
  const wanted = base ? extentsAbove(extents, base) : extents;
  return isFull ? filled(wanted, writer.virtualSize) : withinExpansion(wanted, image, maxExpansion);
}

async function* wholeDisk(virtualSize: number): AsyncGenerator<Extent> {
  yield { kind: 'data', guestOffset: 0, length: virtualSize, fileOffset: 0 };
}

/** Looks at all extents, to find what is lost of them, and takes the whole disk as data. */
async function* filled(extents: AsyncIterable<Extent>, virtualSize: number): AsyncGenerator<Extent> {
  for await (const _ of extents);
  yield* wholeDisk(virtualSize);
}

/**
 * What an overlay of the image `depth` files down has to hold: all that stands above it, zeros too where it may show
 * otherwise.
 */
async function* extentsAbove(
  extents: AsyncIterable<Extent>,
  base: { readonly depth: number; readonly virtualSize: number },
): AsyncGenerator<Extent> {
  for await (const extent of extents) {
    if ((extent.depth ?? 0) >= base.depth) continue;
    const { kind, guestOffset, length } = extent;
    if (kind !== 'zero') yield extent;
    else if (extent.explicit || guestOffset < base.virtualSize) {
      yield { kind: 'data', guestOffset, length, fileOffset: 0 };
    }
  }
}
