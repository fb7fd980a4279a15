/** Who makes the parts of a prepared output: threads, which start when the first part is asked for, or this thread. */

import { type Executor, inlineExecutor, serialExecutor } from '../conversion/executor.ts';
import { packedBound } from '../conversion/pack-blocks.ts';
import { planShape } from '../conversion/plan.ts';
import type { Appender } from '../image/appender.ts';
import type { DiskImage } from '../image/image.ts';
import type { LaidOutFile } from '../image/layout.ts';
import type { RenderShop } from '../prepared/addressable.ts';
import { type PackedBlocks, type PackTask, packer } from '../prepared/pack.ts';
import { type RenderTask, renderer } from '../prepared/render.ts';
import type { AppendShop } from '../prepared/sequential.ts';
import { createSlots } from '../prepared/slots.ts';
import type { JobImage } from './job-image.ts';
import type { PackJob, PreparedWriter, RenderJob } from './job-kinds.ts';
import { createPool, windowOf } from './pool.ts';

/** How the source is read. */
export interface Reading {
  readonly image: DiskImage;
  /** How threads open it; undefined: this thread reads it. */
  readonly reopen: JobImage | undefined;
  readonly threads: number;
}

/** A shop, and how all its threads are ended. */
interface OpenShop<S> {
  readonly shop: S;
  close(): Promise<void>;
}

/** Executors that are open, so that closing an output ends them all. */
function staff() {
  const open = new Set<Executor<never, unknown>>();
  return {
    /** Takes note of an executor; closing that one alone is possible as before. */
    async hire<T, R>(starting: Promise<Executor<T, R>> | Executor<T, R>): Promise<Executor<T, R>> {
      const executor = await starting;
      const hired: Executor<T, R> = {
        ...executor,
        async close() {
          open.delete(hired as Executor<never, unknown>);
          await executor.close();
        },
      };
      open.add(hired as Executor<never, unknown>);
      return hired;
    },
    async dismiss(): Promise<void> {
      for (const executor of [...open]) await executor.close();
    },
  };
}

/** The same promise each time, begun when it is first asked for. */
function once<T>(begin: () => Promise<T>): () => Promise<T> {
  let begun: Promise<T> | undefined;
  return () => {
    begun ??= begin();
    return begun;
  };
}

/** Bytes that a thread renders at a time. */
const RENDER_SIZE = 2 * 1024 * 1024;

/** Makes ranges of a laid out file. */
export function openRenderShop(
  { image, reopen, threads }: Reading,
  file: LaidOutFile,
  job: Pick<RenderJob, 'writer' | 'identity' | 'stored'>,
): OpenShop<RenderShop> {
  const slots = createSlots(reopen ? windowOf(threads) : 2, RENDER_SIZE);
  const { hire, dismiss } = staff();
  const executor = once(
    (): Promise<Executor<RenderTask, undefined>> =>
      hire(
        reopen
          ? createPool<RenderJob>({ kind: 'render', image: reopen, slots: slots.memory, ...job }, threads)
          : inlineExecutor(renderer(image, file, slots.memory)),
      ),
  );
  const shop = {
    size: file.size,
    slots,
    window: reopen ? threads + 1 : 1,
    isZero(from: number, to: number): boolean {
      const { value: first } = file.pieces(from, to).next();
      return first?.kind === 'zero' && first.length === to - from;
    },
    run: async (task: RenderTask) => (await executor()).run(task),
  };
  return { shop, close: dismiss };
}

/** Threads that make again what was made before: it happens now and then. */
const THREADS_FOR_AGAIN = 2;

/** Packs blocks for an appender. */
export function openAppendShop(
  { image, reopen, threads }: Reading,
  appender: Appender,
  writer: PreparedWriter,
): OpenShop<Pick<AppendShop, 'blocksPerTask' | 'startPass' | 'again'>> {
  const { hire, dismiss } = staff();
  const startPackers = (
    memory: SharedArrayBuffer,
    count: number,
  ): Promise<Executor<PackTask, PackedBlocks>> =>
    hire(
      reopen
        ? createPool<PackJob>({ kind: 'pack', image: reopen, writer, slots: memory }, count)
        : serialExecutor(packer(image, appender, memory)),
    );
  const { taskSize, alignment } = planShape(image.unit, appender.unit);
  const blocksPerTask = Math.max(taskSize, alignment) / appender.unit;
  const slotSize = packedBound(appender, blocksPerTask);
  const againCount = reopen ? Math.min(threads, THREADS_FOR_AGAIN) : 1;
  const againSlots = createSlots(againCount, slotSize);
  const again = once(() => startPackers(againSlots.memory, againCount));
  const shop = {
    blocksPerTask,
    async startPass() {
      const memory = new SharedArrayBuffer((reopen ? windowOf(threads) : 1) * slotSize);
      return { executor: await startPackers(memory, threads), memory };
    },
    again: { slots: againSlots, run: async (task: PackTask) => (await again()).run(task) },
  };
  return { shop, close: dismiss };
}
