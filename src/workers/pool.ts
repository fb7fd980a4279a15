/** A pool of worker threads for one conversion. */

import { availableParallelism } from 'node:os';
import type { Executor } from '../conversion/executor.ts';
import { errorFromWire, ImageError } from '../errors.ts';
import type { Job } from './job.ts';
import type { Reply } from './worker.ts';

/** Tasks that wait for each thread, so that none idles while the main thread collects results. */
const TASKS_PER_THREAD = 3;

/** As many threads as the machine runs at once. */
export const defaultThreads = (): number => availableParallelism();

/** The worker beside this file: TypeScript in a checkout, JavaScript in the package. */
const workerFile = (): string =>
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url).href;

/** Starts `threads` threads for `job`. Tasks must be run in order: they are started in that order. */
export async function createPool(job: Job, threads: number): Promise<Executor> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: workerFile(),
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    workerData: job,
  });
  return {
    window: threads * TASKS_PER_THREAD,
    async run(task) {
      const reply: Reply = await pool.run(task).catch((cause: Error) => {
        throw new ImageError('worker-failed', `A worker thread failed: ${cause.message}.`, { cause });
      });
      if (reply.error) throw errorFromWire(reply.error);
      return reply.result;
    },
    close: () => pool.destroy(),
  };
}
