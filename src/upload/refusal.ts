/** What stores answer when they refuse, as errors: the same for all that speak S3's codes. */

import { isTransientStatus, StoreError } from './store.ts';

export interface Refusal {
  /** The operation, in the store's own words. */
  readonly what: string;
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly message: string;
  readonly requestId: string | undefined;
  readonly headers: Readonly<Record<string, unknown>> | undefined;
}

/** Refusals that pass, whatever their status: the bytes were garbled or late on the way. */
const PASSING_CODES = new Set([
  'BadDigest',
  'IncompleteBody',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
]);

/** Reasons for no answer that do not pass. */
const STAYING_CODES =
  /^(CredentialsProviderError|TokenProviderError|ERR_TLS_|ERR_INVALID_URL|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_)/;

const HINTS: Readonly<Record<string, string>> = {
  AccessDenied: 'Check the credentials, and that they may write to this bucket.',
  CredentialsProviderError: 'Give credentials, for example in the environment.',
  EntityTooSmall: 'Choose larger parts.',
  InvalidAccessKeyId: 'Check the credentials and the endpoint.',
  NoSuchBucket: 'Check the name of the bucket, the region and the endpoint.',
  PermanentRedirect: 'Name the region or the endpoint of the bucket.',
  RequestTimeTooSkewed: "Set this machine's clock.",
  SignatureDoesNotMatch: 'Check the credentials and the endpoint.',
};

/** Nothing of the request is told but its name: it has credentials. */
export function refusalError({ what, status, code, message, requestId, headers }: Refusal): StoreError {
  const passes = PASSING_CODES.has(code ?? '') || isTransientStatus(status);
  const facts = [status && `HTTP ${status}`, requestId && `request id ${requestId}`].filter(Boolean);
  const words = [code, message.replace(/\.$/, '')].filter(
    (word, index, all) => word && all.indexOf(word) === index,
  );
  const place = facts.length > 0 ? ` (${facts.join(', ')})` : '';
  return new StoreError(`${what}: ${words.join(': ') || 'no answer'}${place}.`, {
    isTransient: passes && !(status === undefined && STAYING_CODES.test(code ?? '')),
    isGone: code === 'NoSuchUpload',
    status,
    storeCode: code,
    requestId,
    retryAfterMs: retryAfter(headers),
    hint: HINTS[code ?? ''],
    cause: new Error([code, message].filter(Boolean).join(': ')),
  });
}

/** How long the answer says to wait: seconds, or a date that is compared with that of the answer. */
export function retryAfter(headers: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const value = textOf(headers, 'retry-after');
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const wait = Date.parse(value) - Date.parse(textOf(headers, 'date') ?? '');
  return wait > 0 ? wait : undefined;
}

function textOf(headers: Readonly<Record<string, unknown>> | undefined, name: string): string | undefined {
  const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof found === 'string' ? found.trim() : undefined;
}

/** An answer that lacks what it must have: perhaps another server's. */
export const emptyAnswer = (what: string, field: string): StoreError =>
  new StoreError(`${what}: the answer has no ${field}.`, {
    isTransient: false,
    hint: 'Check the endpoint: this may not be an object store.',
  });
