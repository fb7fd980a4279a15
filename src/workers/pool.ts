/** A pool of worker threads for one job. */

import { availableParallelism } from 'node:os';
import type { Executor } from '../conversion/executor.ts';
import { CancelledError, errorFromWire, ImageError, OptionError } from '../errors.ts';
import type { AnyJob, ResultOf, TaskOf } from './job-kinds.ts';
import type { Reply } from './worker.ts';

/** Tasks for each thread, under way or waiting, so that none idles while the main thread collects results. */
const TASKS_PER_THREAD = 3;

/**
 * Young objects of a thread, in MiB. What Node's ciphers and codecs return is memory outside of the heap, which goes when the heap
 * is cleared: with as much room as V8 takes by itself, 100 MiB of it wait for that.
 */
const YOUNG_MIB = 2;

/** Nothing happens then, so it does not matter when. */
const VIGIL_MS = 60_000;

/** As many threads as the machine runs at once. */
export const availableThreads = (): number => availableParallelism();

const MAX_THREADS = 256;

/** The number of threads that is asked for, if it is possible. @throws OptionError `bad-option` */
export function requireThreads(threads: number | undefined): number | undefined {
  if (threads === undefined) return undefined;
  if (Number.isSafeInteger(threads) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw new OptionError('bad-option', `${threads} threads are not possible.`, {
    hint: `Use 1 to ${MAX_THREADS}.`,
  });
}

/** How many tasks are under way at once on `threads` threads. */
export const windowOf = (threads: number): number => threads * TASKS_PER_THREAD;

/** The worker beside this file: TypeScript in a checkout, JavaScript in the package. */
const workerFile = (): string =>
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs', import.meta.url).href;

/** Starts `threads` threads for `job`. Tasks start in the order in which they are run. */
export async function createPool<J extends AnyJob>(
  job: J,
  threads: number,
): Promise<Executor<TaskOf<J>, ResultOf<J>>> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: workerFile(),
    // A thread starts with its first task and then stays; none starts in the place of one that is lost.
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: Infinity,
    concurrentTasksPerWorker: 1,
    // An idle thread waits in its event loop, where it can be ended, not in a lock.
    atomics: 'disabled',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    workerData: job,
  });
  let ending: Promise<void> | undefined;
  /** Ends all threads. */
  function end(): Promise<void> {
    ending ??= pool.destroy();
    return ending;
  }
  let isClosed = false;
  let broken: Error | undefined;
  /** A thread that is lost takes all with it: another in its place would do the rest, but not the task that failed. */
  function breakOff(cause: Error): void {
    if (isClosed) return;
    broken ??= cause;
    void end();
  }
  // A thread that does not even start fails no task of its own, and one that just ends says nothing. If it had a task,
  // that has failed first and knows more.
  pool.on('error', breakOff);
  pool.on('workerDestroy', () => {
    setImmediate(() => breakOff(new Error('it has ended')));
  });
  // Piscina's queue does not keep its order, and a task that waits at the turnstile for one that has no thread waits
  // forever. So it is given no more tasks than it has threads, and the others wait here.
  const gate = orderedGate(threads);
  // The pool does not wait for threads but for their answers: a process with nothing else to do would end, output and
  // all, before it hears that a thread has.
  const vigil = setInterval(() => {}, VIGIL_MS);
  return {
    window: windowOf(threads),
    async run(task) {
      await gate.enter();
      try {
        if (isClosed) throw new CancelledError();
        if (broken) throw broken;
        const reply: Reply<ResultOf<J>> = await pool.run(task);
        if (reply.error) throw errorFromWire(reply.error);
        return reply.result;
      } catch (cause) {
        if (cause instanceof ImageError) throw cause;
        if (isClosed) throw new CancelledError();
        breakOff(cause as Error);
        const reason = broken ?? (cause as Error);
        throw new ImageError('worker-failed', `A worker thread failed: ${reason.message}.`, {
          cause: reason,
        });
      } finally {
        gate.leave();
      }
    },
    async close() {
      isClosed = true;
      try {
        await end();
      } finally {
        clearInterval(vigil);
      }
    },
  };
}

/** Lets `places` callers in at once, the others in the order in which they came. */
export function orderedGate(places: number): { enter(): Promise<void>; leave(): void } {
  const waiting: (() => void)[] = [];
  let free = places;
  return {
    async enter() {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
    },
    leave() {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    },
  };
}
