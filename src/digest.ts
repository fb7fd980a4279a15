/** Digests of a disk: the same whatever the format that keeps it, and however many threads compute them. */

import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { MiB } from './binary/align.ts';
import { type Executor, runTasks, staffed } from './conversion/executor.ts';
import { planShape, planTasks, type Task, taskEnd } from './conversion/plan.ts';
import { outputSize, requireZerosFrom } from './conversion/size.ts';
import { requireNotAborted } from './errors.ts';
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
import { DIGEST_BLOCK, digester } from './scan/digest.ts';
import { type LoadTask, loadedParts, loader } from './scan/load.ts';
import type { ReadingProgress } from './scan/progress.ts';
import type { DigestJob, LoadJob } from './workers/job-kinds.ts';
import { createPool, requireThreads, windowOf } from './workers/pool.ts';

/** `diskimg`: see {@link digestImage}. `sha256`: of all guest bytes, as `sha256sum` computes it of a raw image. */
export type DigestAlgorithm = 'diskimg' | 'sha256';

export interface DigestOptions {
  /** By default `diskimg`. */
  readonly algorithm?: DigestAlgorithm;
  /** How to open the image; by default its bytes tell. */
  readonly input?: OpenImageOptions;
  /**
   * The disk's size in bytes, by default as the image has it: zeros are added, or taken away. `original` is the size
   * that a ZVHD or ZVHD2 remembers, whose disks are made larger to a whole GiB.
   */
  readonly size?: number | 'original';
  /** Worker threads, by default as many as the machine runs at once. The digest does not depend on it. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Called after each task, in guest order. */
  readonly onProgress?: (progress: ReadingProgress) => void;
}

export interface DigestReport {
  readonly filename: string;
  readonly format: FormatName;
  /** Bytes of the disk that were digested. */
  readonly virtualSize: number;
  /** `diskimg-1:` or `sha256:`, and 64 hexadecimal digits. */
  readonly digest: string;
  /** What a user should know of the image. */
  readonly notes: readonly Note[];
}

/**
 * Digests what the guest sees, reading no more than what may hold data.
 *
 * The digest `diskimg-1` is made of the blocks of 1 MiB into which the disk is cut; the last one ends with the disk and
 * is not padded. It is SHA-256 over: the 17 bytes `diskimg-digest-1\n`; the size of the disk in bytes, 64 bits,
 * big-endian; and for each block in which any byte is not zero, in order: its number, counted from 0, 64 bits,
 * big-endian, and the SHA-256 of its bytes, 32 bytes. Blocks of zeros are left out, so that holes cost nothing.
 * @throws ImageError and its classes: see {@link openImage}; OptionError `bad-option`, `bad-size`, `data-past-size`;
 * CancelledError when `signal` was aborted
 */
export async function digestImage(input: ImageInput, options: DigestOptions = {}): Promise<DigestReport> {
  requireThreads(options.threads);
  requireNotAborted(options.signal);
  await using image = await openImage(input, options.input);
  return await digestOpened(image, options); // the image is closed behind it
}

/** The same for an image that is open. */
export async function digestOpened(
  image: OpenedImage,
  options: Omit<DigestOptions, 'input'>,
): Promise<DigestReport> {
  const size = outputSize(image, options.size, 1);
  await requireZerosFrom(image, size.bytes, options.signal);
  const digest =
    options.algorithm === 'sha256'
      ? `sha256:${await sha256Of(image, size.bytes, options)}`
      : `diskimg-1:${await contentDigestOf(image, size.bytes, options)}`;
  await image.requireUnchanged();
  options.onProgress?.({ doneBytes: size.bytes, totalBytes: size.bytes });
  return {
    filename: image.source.name,
    format: image.format,
    virtualSize: size.bytes,
    digest,
    notes: image.notes,
  };
}

async function contentDigestOf(image: OpenedImage, virtualSize: number, options: DigestOptions) {
  const shape = planShape(image.unit, DIGEST_BLOCK);
  const job = image.reopen && ({ kind: 'digest', image: image.reopen, virtualSize } satisfies DigestJob);
  const { tasks, executor } = await staffed(
    planTasks(extentsUpTo(image, virtualSize), shape),
    () => digester(image, virtualSize),
    job && (() => createPool(job, threadsFor(image, options))),
  );
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt(virtualSize));
  const hash = createHash('sha256').update('diskimg-digest-1\n').update(size);
  for await (const { result } of results(tasks, executor, virtualSize, options)) hash.update(result);
  return hash.digest('hex');
}

/** Decoded ahead of the one thread that hashes, more threads would only wait for it. */
const MAX_LOADERS = 8;

async function sha256Of(image: OpenedImage, virtualSize: number, options: DigestOptions) {
  const shape = planShape(image.unit, 1);
  const threads = Math.min(threadsFor(image, options), MAX_LOADERS);
  const slotCount = windowOf(threads);
  const slots = new SharedArrayBuffer(slotCount * shape.taskSize);
  const job = image.reopen && ({ kind: 'load', image: image.reopen, slots } satisfies LoadJob);
  const { tasks, executor } = await staffed(
    withSlots(planTasks(extentsUpTo(image, virtualSize), shape), slotCount, shape.taskSize),
    () => loader(image, slots),
    job && (() => createPool(job, threads)),
  );
  const hash = createHash('sha256');
  let hashed = 0;
  // A slot is not used again before the loop asks for the next task.
  for await (const { task } of results(tasks, executor, virtualSize, options)) {
    for (const { from, bytes } of loadedParts(task, slots)) {
      await hashZeros(hash, from - hashed, options.signal);
      const onDisk = bytes.subarray(0, virtualSize - from);
      hash.update(onDisk);
      hashed = from + onDisk.length;
    }
  }
  await hashZeros(hash, virtualSize - hashed, options.signal);
  return hash.digest('hex');
}

/** The extents within the image and the size that its disk is taken to have. */
const extentsUpTo = (image: OpenedImage, virtualSize: number): AsyncIterable<Extent> =>
  image.extents(0, Math.min(image.virtualSize, virtualSize));

/** Every thread decodes a sequential image from its start. */
const threadsFor = (image: OpenedImage, { threads }: DigestOptions): number =>
  image.isSequential ? 1 : (threads ?? threadsToRead(image));

/** What comes of the tasks, in their order. */
async function* results<T extends Task, R>(
  tasks: AsyncIterable<T>,
  executor: Executor<T, R>,
  virtualSize: number,
  { signal, onProgress }: DigestOptions,
): AsyncGenerator<{ readonly task: T; readonly result: R }> {
  try {
    for await (const finished of runTasks(tasks, executor, () => {})) {
      requireNotAborted(signal);
      yield finished;
      onProgress?.({ doneBytes: Math.min(taskEnd(finished.task), virtualSize), totalBytes: virtualSize });
    }
  } finally {
    await executor.close();
  }
  requireNotAborted(signal);
}

/** Gives the tasks slots in turn: as many as are under way at once. */
async function* withSlots(
  tasks: AsyncIterable<Task>,
  slotCount: number,
  slotSize: number,
): AsyncGenerator<LoadTask> {
  for await (const task of tasks) yield { ...task, slotOffset: (task.index % slotCount) * slotSize };
}

const ZEROS = new Uint8Array(MiB);
/** So much is hashed before others get their turn, and the signal is looked at. */
const TURN = 64 * MiB;

async function hashZeros(hash: Hash, length: number, signal: AbortSignal | undefined): Promise<void> {
  for (let done = 0; done < length; done += ZEROS.length) {
    hash.update(ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
    if (done % TURN !== 0 || done === 0) continue;
    await setImmediate();
    requireNotAborted(signal);
  }
}
