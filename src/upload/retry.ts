/** Requests again, after longer and longer waits: exponential back-off with full jitter. */

import { requireNotAborted } from '../errors.ts';
import { StoreError } from './store.ts';

/** The longest wait before the first retry; it doubles with each. */
export const BASE_WAIT_MS = 250;
export const MAX_WAIT_MS = 20_000;
/** A store may ask for more than {@link MAX_WAIT_MS}, but not for a night. */
export const MAX_ASKED_WAIT_MS = 300_000;

/** What is worth telling of a request that is made again. */
export interface RetryNotice {
  /** `putPart 7`. */
  readonly what: string;
  /** 1 for the first retry. */
  readonly attempt: number;
  readonly waitMs: number;
  readonly error: StoreError;
}

export interface Retrying {
  /** How often a request is made again, at most. */
  readonly retries: number;
  /** In [0, 1). */
  random(): number;
  /** Rejects when the signal is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<unknown>;
  readonly onRetry: ((notice: RetryNotice) => void) | undefined;
}

/** Before retry `attempt`, counted from 1. Parts that fail together do not come again together. */
export function waitBefore(attempt: number, random: () => number, retryAfterMs: number | undefined): number {
  const ceiling = Math.min(MAX_WAIT_MS, BASE_WAIT_MS * 2 ** (attempt - 1));
  const jitter = Math.round(random() * ceiling);
  return retryAfterMs === undefined ? jitter : Math.min(retryAfterMs, MAX_ASKED_WAIT_MS) + jitter;
}

/**
 * The result of `work`, done again while it fails with a StoreError that is transient.
 * @throws what the last attempt has thrown; CancelledError
 */
export async function retrying<T>(
  what: string,
  { retries, random, sleep, onRetry }: Retrying,
  signal: AbortSignal,
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    requireNotAborted(signal);
    try {
      return await work(attempt);
    } catch (error) {
      requireNotAborted(signal);
      if (!(error instanceof StoreError) || !error.isTransient || attempt >= retries) throw error;
      const waitMs = waitBefore(attempt + 1, random, error.retryAfterMs);
      onRetry?.({ what, attempt: attempt + 1, waitMs, error });
      await sleep(waitMs, signal).catch((cause) => {
        requireNotAborted(signal);
        throw cause;
      });
    }
  }
}
