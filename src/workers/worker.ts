/** A worker thread: opens its job once, then performs the tasks that come. Errors go back as data. */

import { workerData } from 'node:worker_threads';
import { performer } from '../conversion/perform.ts';
import { surveyor } from '../conversion/survey.ts';
import { errorToWire, type WireError } from '../errors.ts';
import { allocationBitsOver } from '../image/allocation.ts';
import { comparer } from '../scan/compare.ts';
import { digester } from '../scan/digest.ts';
import { loader } from '../scan/load.ts';
import { openJobImage } from './job-image.ts';
import type { AnyJob, ResultOf, TaskOf } from './job-kinds.ts';
import { openPacker, openRenderer } from './open-prepared.ts';
import { openWorkshop } from './open-workshop.ts';

export type Reply<Result> =
  | { readonly result: Result; readonly error?: never }
  | { readonly result?: never; readonly error: WireError };

type AnyTask = TaskOf<AnyJob>;
type AnyResult = ResultOf<AnyJob>;
/** The pool sends a job's own tasks only. */
type AnyPerformer = (task: never) => Promise<AnyResult>;

async function openPerformer(job: AnyJob): Promise<AnyPerformer> {
  switch (job.kind) {
    case 'convert':
      return performer(await openWorkshop(job));
    case 'compare': {
      const [first, second] = job.images;
      return comparer(await openJobImage(first), await openJobImage(second));
    }
    case 'digest':
      return digester(await openJobImage(job.image), job.virtualSize);
    case 'load':
      return loader(await openJobImage(job.image), job.slots);
    case 'survey':
      return surveyor(
        await openJobImage(job.image),
        job.unit,
        job.stored && allocationBitsOver(job.stored, job.blockCount),
        job.digests,
      );
    case 'render':
      return openRenderer(job);
    case 'pack':
      return openPacker(job);
  }
}

let perform: Promise<AnyPerformer> | undefined;

export default async function handle(task: AnyTask): Promise<Reply<AnyResult>> {
  try {
    perform ??= openPerformer(job());
    return { result: await (await perform)(task as never) };
  } catch (error) {
    return { error: errorToWire(error) };
  }
}

/** Piscina passes its own data first, ours second. */
const job = (): AnyJob => (Array.isArray(workerData) ? workerData[1] : workerData) as AnyJob;
