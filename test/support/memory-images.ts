/** Conversions of guest disks into images in memory, step by step: what convert() does, with every step in sight. */

import { alignUp } from '../../src/binary/align.ts';
import { contentDigest } from '../../src/conversion/block-digest.ts';
import {
  type ConversionOutput,
  createOutput,
  finishOutput,
  outputOver,
  sharedMemory,
} from '../../src/conversion/output.ts';
import { performer } from '../../src/conversion/perform.ts';
import { planShape, planTasks, type Task } from '../../src/conversion/plan.ts';
import { createTurnstile } from '../../src/conversion/turnstile.ts';
import type { WritableName } from '../../src/formats/index.ts';
import { contentIdentity } from '../../src/identity.ts';
import type { WritableFormat } from '../../src/image/format.ts';
import type { Identity } from '../../src/image/identity.ts';
import { resolveOptions } from '../../src/image/options.ts';
import type { Writer } from '../../src/image/writer.ts';
import { memoryTarget } from '../../src/io/memory.ts';
import { type OpenedImage, openImage } from '../../src/open.ts';

/** What to write. */
export interface Recipe {
  readonly format: WritableFormat<WritableName>;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface WrittenImage {
  readonly bytes: Uint8Array;
  readonly output: ConversionOutput;
  readonly identity: Identity;
}

/** How the work is done, which must not be seen in what comes of it. */
export interface Workmanship {
  /** Guest bytes in a task; by default as in every conversion. */
  readonly taskSize?: number;
  /** How many performers take turns. */
  readonly performers?: number;
  readonly sparseSize?: number;
  /** The order in which tasks are performed; only a layout in place allows any but the given one. */
  readonly order?: (tasks: readonly Task[]) => readonly Task[];
}

export const TIMESTAMP = 1_700_000_000;

export const virtualSizeFor = ({ format }: Recipe, size: number): number => alignUp(size, format.sizeUnit);

export const writerFor = ({ format, options }: Recipe, virtualSize: number): Writer =>
  format.writer(virtualSize, resolveOptions(format.createOptions, options, format.name), {});

/** The disk as a raw image. */
export const rawImage = (disk: Uint8Array): Promise<OpenedImage> => openImage(disk, { format: 'raw' });

/** Writes `disk` as an image file in memory. */
export async function writeImage(
  recipe: Recipe,
  disk: Uint8Array,
  workmanship: Workmanship = {},
): Promise<WrittenImage> {
  const { performers = 1, sparseSize = 4096, order = (tasks) => tasks } = workmanship;
  const image = await rawImage(disk);
  const writer = writerFor(recipe, virtualSizeFor(recipe, disk.length));
  const output = createOutput(writer);
  const turnstile = createTurnstile(writer.dataStart);
  const target = memoryTarget();
  const shape = planShape(image.unit, writer.unit);
  const taskSize = alignUp(workmanship.taskSize ?? shape.taskSize, shape.alignment);
  const tasks = await collected(planTasks(image.extents(), { ...shape, taskSize }));
  const crew = Array.from({ length: performers }, () =>
    performer({
      image,
      target,
      output: outputOver(writer, sharedMemory(output)),
      turnstile,
      sparseSize,
      keepsZeros: false,
      salvage: false,
      digests: true,
    }),
  );
  const digests = new Map<number, Uint8Array>();
  for (const [turn, task] of order(tasks).entries()) {
    const perform = crew[turn % crew.length] as (typeof crew)[number];
    digests.set(task.index, (await perform(task)).digests as Uint8Array);
  }
  const digest = contentDigest();
  for (const { index } of tasks) digest.add(digests.get(index) as Uint8Array);
  const identity = contentIdentity(digest.finish(), recipe.format.name, writer.virtualSize, TIMESTAMP);
  const size = await finishOutput(output, target, identity);
  return { bytes: target.bytes(size), output, identity };
}

/** Guest bytes of [from, to). */
export async function readGuest(image: OpenedImage, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from).fill(0xa5); // a reader that leaves bytes alone is found out
  await image.read(bytes, from);
  return bytes;
}

/** All of a short stream. */
export async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}
