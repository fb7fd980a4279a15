/** The kinds of jobs that threads do: what each is as data, what it takes as a task, and what comes of one. */

import type { BlockDigests } from '../conversion/block-digest.ts';
import type { TaskResult } from '../conversion/perform.ts';
import type { Task } from '../conversion/plan.ts';
import type { Identity } from '../image/identity.ts';
import type { PackedBlocks, PackTask } from '../prepared/pack.ts';
import type { RenderTask } from '../prepared/render.ts';
import type { Differences } from '../scan/differences.ts';
import type { LoadTask } from '../scan/load.ts';
import type { CompareTask } from '../scan/plan-comparison.ts';
import type { Job } from './job.ts';
import type { JobImage } from './job-image.ts';

/** Two images, compared range by range. */
export interface CompareJob {
  readonly kind: 'compare';
  readonly images: readonly [JobImage, JobImage];
}

/** The blocks of a disk, digested. */
export interface DigestJob {
  readonly kind: 'digest';
  readonly image: JobImage;
  readonly virtualSize: number;
}

/** Guest bytes, read and decoded into memory that the threads share with the one that wants them. */
export interface LoadJob {
  readonly kind: 'load';
  readonly image: JobImage;
  readonly slots: SharedArrayBuffer;
}

/** Which blocks of a disk hold data. */
export interface SurveyJob {
  readonly kind: 'survey';
  readonly image: JobImage;
  /** Guest bytes in a block, and how many there are. */
  readonly unit: number;
  readonly blockCount: number;
  /** Where they are marked, if anywhere. */
  readonly stored: SharedArrayBuffer | undefined;
  readonly digests: boolean;
}

/** What writes an output that is prepared, as data. */
export interface PreparedWriter {
  readonly format: string;
  readonly virtualSize: number;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Ranges of a laid out file, rendered into shared memory. */
export interface RenderJob {
  readonly kind: 'render';
  readonly image: JobImage;
  readonly writer: PreparedWriter;
  readonly identity: Identity;
  /** The bitmap of stored blocks, complete. */
  readonly stored: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

/** Blocks, packed for an appender into shared memory. */
export interface PackJob {
  readonly kind: 'pack';
  readonly image: JobImage;
  readonly writer: PreparedWriter;
  readonly slots: SharedArrayBuffer;
}

interface Kinds {
  readonly convert: { readonly job: Job; readonly task: Task; readonly result: TaskResult };
  readonly compare: {
    readonly job: CompareJob;
    readonly task: CompareTask;
    readonly result: Differences | undefined;
  };
  readonly digest: { readonly job: DigestJob; readonly task: Task; readonly result: BlockDigests };
  readonly load: { readonly job: LoadJob; readonly task: LoadTask; readonly result: undefined };
  readonly survey: {
    readonly job: SurveyJob;
    readonly task: Task;
    readonly result: BlockDigests | undefined;
  };
  readonly render: { readonly job: RenderJob; readonly task: RenderTask; readonly result: undefined };
  readonly pack: { readonly job: PackJob; readonly task: PackTask; readonly result: PackedBlocks };
}

export type AnyJob = Kinds[keyof Kinds]['job'];
export type TaskOf<J extends AnyJob> = Kinds[J['kind']]['task'];
export type ResultOf<J extends AnyJob> = Kinds[J['kind']]['result'];
