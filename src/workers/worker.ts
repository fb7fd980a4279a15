/** A worker thread: opens its job once, then performs the tasks that come. Errors go back as data. */

import { workerData } from 'node:worker_threads';
import { type Performer, performer, type TaskResult } from '../conversion/perform.ts';
import type { Task } from '../conversion/plan.ts';
import { errorToWire, type WireError } from '../errors.ts';
import type { Job } from './job.ts';
import { openWorkshop } from './open-workshop.ts';

export type Reply =
  | { readonly result: TaskResult; readonly error?: never }
  | { readonly result?: never; readonly error: WireError };

let perform: Promise<Performer> | undefined;

export default async function handle(task: Task): Promise<Reply> {
  try {
    perform ??= openWorkshop(job()).then(performer);
    return { result: await (await perform)(task) };
  } catch (error) {
    return { error: errorToWire(error) };
  }
}

/** Piscina passes its own data first, ours second. */
const job = (): Job => (Array.isArray(workerData) ? workerData[1] : workerData) as Job;
