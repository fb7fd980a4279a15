/** One upload at its store, in requests that are made again when they fail: begun, taken up, completed, removed. */

import { ImageError, ImageIoError } from '../errors.ts';
import { unlessAborted } from '../prepared/slots.ts';
import { multipartEtag, plainEtag } from './etag.ts';
import { type JournalState, lineOf } from './journal.ts';
import { type Retrying, retrying } from './retry.ts';
import {
  type ListedPart,
  type ObjectStore,
  type StoredObject,
  type StoredPart,
  StoreError,
} from './store.ts';

/** How a store is asked. */
export interface Asking {
  readonly store: ObjectStore;
  readonly how: Retrying;
  readonly signal: AbortSignal;
  /** Adds a line to the journal, if there is one. */
  readonly write: (line: string) => Promise<void>;
}

/** An upload that takes parts. */
export interface Session {
  readonly uploadId: string;
  /** Parts that an earlier run has stored, and that the store has. */
  readonly kept: ReadonlyMap<number, StoredPart>;
}

/**
 * What a store answers; what it throws of its own is a StoreError that may pass. A store that does not heed its signal
 * is not waited for.
 */
export async function answered<T>(request: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await unlessAborted(request, signal);
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError(`The store cannot be reached: ${message}.`, { isTransient: true, cause });
  }
}

/** Undefined when there is no such upload. */
async function partsOf(
  store: ObjectStore,
  uploadId: string,
  signal: AbortSignal,
): Promise<readonly ListedPart[] | undefined> {
  try {
    return await answered(store.listParts(uploadId, signal), signal);
  } catch (error) {
    if (error instanceof StoreError && error.isGone) return undefined;
    throw error;
  }
}

export async function beginSession({ store, how, signal, write }: Asking): Promise<Session> {
  const uploadId = await retrying('start', how, signal, () => answered(store.start(signal), signal));
  await write(lineOf({ begun: uploadId }));
  return { uploadId, kept: new Map() };
}

/** The upload of the journal, if the store still has it. */
export async function resumeSession(
  { store, how, signal }: Asking,
  { uploadId, stored }: JournalState,
): Promise<Session | undefined> {
  if (uploadId === undefined) return undefined;
  const there = await retrying('listParts', how, signal, () => partsOf(store, uploadId, signal));
  if (there === undefined) return undefined;
  const kept = new Map<number, StoredPart>();
  for (const { number, size, etag } of there) {
    const ours = stored.get(number);
    // Another content of that number was put by another, or by a run that ended before it could say so.
    if (ours?.size === size && plainEtag(ours.etag) === plainEtag(etag)) kept.set(number, ours);
  }
  return { uploadId, kept };
}

/** The object at the store, if it is that of the parts; `unknown` when the store cannot tell, or may not. */
export async function findObject(
  { store, how, signal }: Asking,
  parts: readonly StoredPart[],
): Promise<StoredObject | 'unknown' | undefined> {
  const etag = multipartEtag(parts.map((part) => part.etag));
  const find = store.find?.bind(store);
  if (!find || etag === undefined) return 'unknown';
  try {
    const found = await retrying('find', how, signal, () => answered(find(signal), signal));
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    const isThat = found?.size === size && plainEtag(found.etag) === etag;
    return isThat ? { etag: found.etag } : undefined;
  } catch (error) {
    // Who may write need not be allowed to look.
    if (error instanceof StoreError && !error.isTransient) return 'unknown';
    throw error;
  }
}

/** Makes the object of its parts. @throws ImageIoError `upload-failed` */
export async function completeSession(
  asking: Asking,
  { uploadId }: Session,
  parts: readonly StoredPart[],
): Promise<StoredObject> {
  const { store, how, signal, write } = asking;
  await write(lineOf({ completing: parts.length }));
  const object = await retrying('complete', how, signal, async (attempt) => {
    try {
      return await answered(store.complete(uploadId, parts, signal), signal);
    } catch (error) {
      // An earlier request may have been done, and only its answer lost.
      const found =
        attempt > 0 && error instanceof StoreError && error.isGone
          ? await findObject(asking, parts)
          : undefined;
      if (found && found !== 'unknown') return found;
      throw error;
    }
  });
  await write(lineOf({ complete: object }));
  return object;
}

/** For so long an upload is tried to be removed, after all else is over. */
const REMOVAL_MS = 30_000;
const REMOVAL_RETRIES = 4;
/** A part that was on its way may be stored behind the removal. */
const REMOVAL_ROUNDS = 3;

/**
 * Removes the parts of an upload that ends with `error`; returns the error to throw, which tells if that could not be
 * done.
 */
export async function removed(
  { store, how }: Asking,
  { uploadId }: Session,
  error: unknown,
): Promise<unknown> {
  const signal = AbortSignal.timeout(REMOVAL_MS);
  const few = { ...how, retries: Math.min(how.retries, REMOVAL_RETRIES) };
  try {
    let left: readonly ListedPart[] | undefined;
    for (let round = 0; round === 0 || (left && left.length > 0 && round < REMOVAL_ROUNDS); round++) {
      await retrying('abort', few, signal, () => answered(store.abort(uploadId, signal), signal));
      left = await retrying('listParts', few, signal, () => partsOf(store, uploadId, signal));
    }
    if (!left || left.length === 0) return error;
    throw new Error(`${left.length} parts are still there`);
  } catch (cause) {
    const message = error instanceof Error ? error.message : String(error);
    return new ImageIoError('upload-failed', message, {
      hint: `The parts of upload ${uploadId} remain at ${store.target}, and may cost: remove them there (${(cause as Error).message})`,
      cause: error,
    });
  }
}
