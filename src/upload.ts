/** Uploads a prepared output to an object store. */

import { setTimeout as sleep } from 'node:timers/promises';
import { OptionError } from './errors.ts';
import type { PreparedOutput } from './prepared/output.ts';
import type { OutputPlan } from './prepared/plan.ts';
import { requirePlan } from './prepared/plan.ts';
import { type Journal, parseJournal } from './upload/journal.ts';
import { choosePartSize } from './upload/part-size.ts';
import type { RetryNotice } from './upload/retry.ts';
import type { ObjectStore } from './upload/store.ts';
import { runUpload, type UploadProgress, type UploadReport } from './upload/upload-parts.ts';

export interface UploadOptions {
  /** Bytes; by default 16 MiB, or as much more as the store's limit on the number of parts asks for. */
  readonly partSize?: number;
  /** Parts under way at once, 1 to 64, by default 4. As many parts are in memory. */
  readonly concurrency?: number;
  /** How often a request that fails is made again, by default 10: over about a minute. */
  readonly retries?: number;
  /**
   * Where to keep what has been done, so that another process can go on ({@link fileJournal}). An upload that stops
   * then leaves its parts at the store; without it, they are removed.
   */
  readonly resume?: Journal;
  readonly signal?: AbortSignal;
  /** Called after each part. */
  readonly onProgress?: (progress: UploadProgress) => void;
  /** Called before a request is made again. */
  readonly onRetry?: (notice: RetryNotice) => void;
}

const DEFAULT_CONCURRENCY = 4;
const MAX_CONCURRENCY = 64;
const DEFAULT_RETRIES = 10;
const MAX_RETRIES = 1000;

/**
 * Uploads all parts of `output`, and makes an object of them. A part that fails is made again, not kept; an object is
 * made only if the source has not changed meanwhile. To go on with an upload, prepare its output with the plan of its
 * journal ({@link journaledUpload}).
 * @throws ImageIoError `upload-failed` when the store refuses, or fails more often than it is asked again;
 * OptionError `bad-option` for options or a journal that do not fit, `bad-size` for a file that the store cannot take;
 * CancelledError when `signal` was aborted; and what reading the source throws
 */
export async function uploadParts(
  output: PreparedOutput,
  store: ObjectStore,
  options: UploadOptions = {},
): Promise<UploadReport> {
  const { concurrency = DEFAULT_CONCURRENCY, retries = DEFAULT_RETRIES, resume, onRetry } = options;
  requireCount('concurrency', concurrency, 1, MAX_CONCURRENCY);
  requireCount('retries', retries, 0, MAX_RETRIES);
  const journaled = resume && parseJournal(await resume.read()).head;
  const file =
    output.kind === 'addressable'
      ? { size: output.size, isExact: true }
      : { size: output.maxSize, isExact: false };
  return runUpload(output, store, {
    partSize: choosePartSize(file, store.limits, options.partSize ?? journaled?.partSize),
    concurrency,
    how: {
      retries,
      random: Math.random,
      sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
      onRetry,
    },
    journal: resume,
    signal: options.signal,
    onProgress: options.onProgress,
  });
}

/** @throws OptionError `bad-option` */
function requireCount(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new OptionError('bad-option', `A ${name} of ${value} is not possible.`, {
    hint: `Choose from ${least} to ${most}.`,
  });
}

/** What a journal is of. */
export interface JournaledUpload {
  /** With it, `prepare` makes the same bytes. */
  readonly plan: OutputPlan;
  /** Where they go. */
  readonly target: string;
  /** Bytes. */
  readonly partSize: number;
}

/**
 * What the journal of an upload says of it; undefined for one in which nothing stands yet.
 * @throws OptionError `bad-option` for what is no journal; and what reading it throws
 */
export async function journaledUpload(journal: Journal): Promise<JournaledUpload | undefined> {
  const { head } = parseJournal(await journal.read());
  return head && { ...head, plan: requirePlan(head.plan) };
}
