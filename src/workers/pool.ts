/** A pool of worker threads for one conversion. */

import { availableParallelism } from 'node:os';
import type { Executor } from '../conversion/executor.ts';
import { errorFromWire, ImageError } from '../errors.ts';
import type { Job } from './job.ts';
import type { Reply } from './worker.ts';

/** Tasks for each thread, under way or waiting, so that none idles while the main thread collects results. */
const TASKS_PER_THREAD = 3;

/** As many threads as the machine runs at once. */
export const availableThreads = (): number => availableParallelism();

/** The worker beside this file: TypeScript in a checkout, JavaScript in the package. */
const workerFile = (): string =>
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url).href;

/** Starts `threads` threads for `job`. Tasks start in the order in which they are run. */
export async function createPool(job: Job, threads: number): Promise<Executor> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: workerFile(),
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    // An idle thread waits in its event loop, where it can be ended, not in a lock.
    atomics: 'disabled',
    workerData: job,
  });
  // A thread that does not even start fails no task of its own: then all fail.
  let broken: Error | undefined;
  pool.on('error', (cause: Error) => {
    broken ??= cause;
    void pool.destroy();
  });
  // Piscina's queue does not keep its order, and a task that waits at the turnstile for one that has no thread waits
  // forever. So it is given no more tasks than it has threads, and the others wait here.
  const gate = orderedGate(threads);
  return {
    window: threads * TASKS_PER_THREAD,
    async run(task) {
      await gate.enter();
      try {
        const reply: Reply = await pool.run(task);
        if (reply.error) throw errorFromWire(reply.error);
        return reply.result;
      } catch (cause) {
        if (cause instanceof ImageError) throw cause;
        const reason = broken ?? (cause as Error);
        throw new ImageError('worker-failed', `A worker thread failed: ${reason.message}.`, {
          cause: reason,
        });
      } finally {
        gate.leave();
      }
    },
    close: () => pool.destroy(),
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
