/** What an upload needs of an object store: five methods, and what the store can take. */

import { type ErrorDetails, ImageIoError } from '../errors.ts';

/** How the store checks the bytes of a part. */
export type PartDigestAlgorithm = 'md5' | 'sha256' | 'crc32c';

/** In bytes, as far as they are sizes. */
export interface StoreLimits {
  /** The last part may be smaller. */
  readonly minPartSize: number;
  readonly maxPartSize: number;
  readonly maxParts: number;
  readonly maxObjectSize: number;
}

export interface PartToPut {
  /** 1 and up. */
  readonly number: number;
  /** Another part is made in their place once `putPart` is done: a store that keeps them copies them. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By {@link ObjectStore.digest}, in hexadecimal digits; undefined without one. */
  readonly digest: string | undefined;
}

/** A part as the store has it. */
export interface ListedPart {
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** What the store calls this content, as it gives it. */
  readonly etag: string;
}

/** A part that was put, as `complete` needs it. */
export interface StoredPart extends ListedPart {
  readonly digest?: string;
}

export interface StoredObject {
  /**
   * What the store calls the object. S3 and most like it: the MD5 digest of the parts' MD5 digests, a dash, and the
   * number of parts; so it is not the digest of the bytes, and depends on the part size. With other encryption than the
   * store's own it is no digest at all.
   */
  readonly etag?: string;
  /** Where it is found, if the store says so. */
  readonly location?: string;
}

/**
 * One object to be written to a store. What a method throws is tried again, unless it is a {@link StoreError} that says
 * otherwise, or another ImageError. Adapters: `s3Store`, `obsStore`.
 */
export interface ObjectStore {
  /** What is written, as a URL without secrets: `s3://bucket/key`. A journal is good for one. */
  readonly target: string;
  readonly limits: StoreLimits;
  /** Which digest of a part `putPart` is to be given. */
  readonly digest?: PartDigestAlgorithm;
  /** Begins an upload and returns its id. */
  start(signal: AbortSignal): Promise<string>;
  /** Stores a part, in place of an earlier one of this number; returns its entity tag. */
  putPart(uploadId: string, part: PartToPut, signal: AbortSignal): Promise<string>;
  /** All parts that are stored. @throws StoreError with `isGone` when there is no such upload (any more) */
  listParts(uploadId: string, signal: AbortSignal): Promise<readonly ListedPart[]>;
  /** Makes the object of the parts, in ascending order. @throws StoreError with `isGone` likewise */
  complete(uploadId: string, parts: readonly StoredPart[], signal: AbortSignal): Promise<StoredObject>;
  /** Removes the parts. Without an error when there is no such upload. */
  abort(uploadId: string, signal: AbortSignal): Promise<void>;
  /**
   * The object that is there, or undefined. With it, an upload whose last answer was lost can be told from one that was
   * removed; without it, it cannot.
   */
  find?(signal: AbortSignal): Promise<{ readonly size: number; readonly etag: string } | undefined>;
}

export interface StoreErrorDetails extends ErrorDetails {
  /** Can it be different next time? */
  readonly isTransient: boolean;
  /** There is no such upload. */
  readonly isGone?: boolean;
  /** HTTP status. */
  readonly status?: number | undefined;
  /** The store's own code, like `AccessDenied`. */
  readonly storeCode?: string | undefined;
  /** What the store's operators find the request by. */
  readonly requestId?: string | undefined;
  /** The store wants to be left alone for so long. */
  readonly retryAfterMs?: number | undefined;
}

/** A store has refused a request, or could not be reached; `upload-failed`. */
export class StoreError extends ImageIoError {
  readonly isTransient: boolean;
  readonly isGone: boolean;
  readonly status: number | undefined;
  readonly storeCode: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: StoreErrorDetails) {
    super('upload-failed', message, details);
    this.isTransient = details.isTransient;
    this.isGone = details.isGone ?? false;
    this.status = details.status;
    this.storeCode = details.storeCode;
    this.requestId = details.requestId;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Client errors that pass: timeout, conflict with another request, too early, too many. */
const PASSING = new Set([408, 409, 425, 429]);

/** Refusals of this kind stay; others, and requests without an answer, may pass. */
export const isTransientStatus = (status: number | undefined): boolean =>
  status === undefined || status < 300 || status >= 500 || PASSING.has(status);
