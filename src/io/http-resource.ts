/**
 * A file behind HTTP, read in ranges (RFC 9110, section 14): its size and version are pinned by the first answer, broken
 * answers are taken up where they broke off, and what may pass is tried again.
 */

import { setTimeout as wait } from 'node:timers/promises';
import { CorruptImageError, ImageIoError, requireNotAborted } from '../errors.ts';
import {
  type HttpAnswer,
  type HttpClient,
  type HttpHeaders,
  HttpTroubleError,
  urlName,
} from './http-client.ts';
import type { DirectConnections } from './http-connection.ts';

/** How a server is asked. */
export interface HttpRequestSettings {
  readonly headers: HttpHeaders;
  /** How often a request that came to nothing is tried again, in a row. */
  readonly retries: number;
  /** A faster way for the plain case, where there is one. */
  readonly direct?: DirectConnections | undefined;
}

/** The file as its first answer has it. */
export interface HttpResource {
  /** After redirects. */
  readonly url: URL;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** What the first request finds: the resource and how it begins; or a server that knows no ranges, and its whole answer. */
export type Found =
  | {
      readonly kind: 'ranges';
      readonly resource: HttpResource;
      readonly head: Uint8Array;
      /** Is it on another server than the one that was asked, which must not see the caller's header fields? */
      readonly isElsewhere: boolean;
    }
  | { readonly kind: 'whole'; readonly name: string; readonly answer: HttpAnswer };

/** Bytes that the first request asks for: the metadata of most images begins here. */
const HEAD_LENGTH = 64 * 1024;

/** The longest pause between attempts, and the longest that a server may ask for, in milliseconds. */
const MAX_PAUSE = 10_000;
const MAX_RETRY_AFTER = 60_000;

/**
 * Asks for the beginning of `url`.
 * @throws ImageIoError `not-found`, `read-failed`
 */
export async function findResource(
  client: HttpClient,
  url: URL,
  settings: HttpRequestSettings,
): Promise<Found> {
  const name = urlName(url);
  const range = `bytes=0-${HEAD_LENGTH - 1}`;
  return withRetries(settings.retries, 0, undefined, name, async () => {
    const answer = await client.get(url, { ...settings.headers, range });
    requireIdentity(answer, name);
    const { isElsewhere } = answer;
    if (answer.status === 200) return { kind: 'whole', name, answer };
    if (answer.status === 416 && totalOf(answer) === 0) {
      answer.discard();
      return { kind: 'ranges', resource: resourceOf(answer, name, 0), head: new Uint8Array(0), isElsewhere };
    }
    requirePartial(answer, name);
    const { start, end, total } = contentRange(answer, name);
    if (start !== 0 || end > HEAD_LENGTH || end > total) throw wrongRange(answer, name);
    const head = new Uint8Array(end);
    if ((await fill(head, answer)) < end) throw new HttpTroubleError('the answer broke off');
    return { kind: 'ranges', resource: resourceOf(answer, name, total), head, isElsewhere };
  });
}

const resourceOf = ({ url, headers }: HttpAnswer, name: string, size: number): HttpResource => ({
  url,
  name,
  size,
  etag: headers.etag,
  lastModified: headers['last-modified'],
});

/**
 * Fills all of `into` from `offset`, which lies within the resource.
 * @throws ImageIoError `read-failed`, `source-changed`; CorruptImageError `truncated`; CancelledError
 */
export async function readRange(
  client: HttpClient,
  resource: HttpResource,
  settings: HttpRequestSettings,
  into: Uint8Array,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { name, url, size } = resource;
  for (let done = 0; done < into.length; ) {
    const from = offset + done;
    done += await withRetries(settings.retries, from, signal, name, async () => {
      const range = `bytes=${from}-${offset + into.length - 1}`;
      const headers = { ...settings.headers, ...condition(resource), range };
      const quick = await settings.direct?.get(headers, into.subarray(done));
      if (quick?.filled !== undefined && isExpected(quick.headers, resource, from, offset + into.length)) {
        return quick.filled;
      }
      // What the faster way does not expect is asked for again, and judged.
      const answer = await client.get(url, headers, signal);
      if (answer.status === 412) throw changed(answer, resource);
      if (answer.status === 416) throw changedOrShort(answer, resource, from);
      requireIdentity(answer, name);
      if (answer.status === 200) throw answeredWhole(answer, resource);
      requirePartial(answer, name, from);
      requireSame(answer, resource);
      const { start, end, total } = contentRange(answer, name);
      if (total !== size) throw changed(answer, resource);
      if (start !== from || end > offset + into.length || end <= start) throw wrongRange(answer, name);
      const filled = await fill(into.subarray(done, done + end - start), answer);
      // Half an answer is progress; the rest is asked for next.
      if (filled === 0) throw new HttpTroubleError('the answer broke off before its first byte');
      return filled;
    });
  }
}

/** Another file is then not even sent. Answers are compared all the same: a server may pass over it. */
const condition = ({ etag }: HttpResource): { readonly 'if-match'?: string } =>
  etag === undefined || etag.startsWith('W/') ? {} : { 'if-match': etag };

/** Is this a part of the file as it was, from `start` and not past `end`? */
function isExpected(
  headers: HttpHeaders,
  { size, etag, lastModified }: HttpResource,
  start: number,
  end: number,
): boolean {
  const found = parseContentRange(headers);
  return (
    found?.start === start &&
    found.end <= end &&
    found.total === size &&
    headers.etag === etag &&
    headers['last-modified'] === lastModified
  );
}

/** Puts the body into `into`; returns how many bytes came, which are fewer when it breaks off. */
async function fill(into: Uint8Array, { body, discard }: HttpAnswer): Promise<number> {
  let done = 0;
  try {
    for await (const chunk of body) {
      if (chunk.length > into.length - done) {
        discard();
        throw new HttpTroubleError('the answer has more bytes than it said');
      }
      into.set(chunk, done);
      done += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof HttpTroubleError) || done === 0) throw error;
  }
  return done;
}

/** Does `attempt`, and again after a pause when what went wrong may pass. */
async function withRetries<T>(
  retries: number,
  offset: number,
  signal: AbortSignal | undefined,
  name: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    requireNotAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof HttpTroubleError)) throw error;
      if (failures >= retries) throw givenUp(name, offset, error, failures + 1);
      const pause = error.retryAfter ?? pauseAfter(failures, offset);
      await wait(pause, undefined, signal && { signal }).catch(() => requireNotAborted(signal));
    }
  }
}

/** Twice as long each time, and not the same for two places in the file: many requests fail at once. */
function pauseAfter(failures: number, offset: number): number {
  const share = (offset / 65_536) * 0.618_034;
  return Math.min(MAX_PAUSE, 100 * 2 ** failures) * (0.5 + 0.5 * (share - Math.floor(share)));
}

const givenUp = (name: string, offset: number, cause: Error, attempts: number): ImageIoError =>
  new ImageIoError('read-failed', `${name} cannot be read: ${cause.message}, ${attempts} times in a row.`, {
    fileOffset: offset,
    cause,
    hint: 'Try again later, or download the file first.',
  });

/** @throws HttpTroubleError for what may pass, ImageIoError for what does not */
function requirePartial(answer: HttpAnswer, name: string, fileOffset = 0): void {
  const { status, headers } = answer;
  if (status === 206) return;
  answer.discard();
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    throw new HttpTroubleError(`the server answers ${status}`, retryAfter(headers));
  }
  if (status === 404 || status === 410) {
    throw new ImageIoError('not-found', `There is no ${name} (${status}).`, { hint: 'Check the address.' });
  }
  const isRefused = status === 401 || status === 403;
  throw new ImageIoError('read-failed', `${name} cannot be read: the server answers ${status}.`, {
    fileOffset,
    hint: isRefused
      ? 'It wants credentials, or the address has expired: give header fields or a signed address.'
      : undefined,
  });
}

/** Seconds are taken as they are; a date is not looked at. */
function retryAfter(headers: HttpHeaders): number | undefined {
  const text = headers['retry-after'] ?? '';
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text) * 1000, MAX_RETRY_AFTER) : undefined;
}

/** @throws ImageIoError `read-failed` for bytes that are not the file's own */
function requireIdentity(answer: HttpAnswer, name: string): void {
  const encoding = answer.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity' || encoding === '') return;
  answer.discard();
  throw new ImageIoError(
    'read-failed',
    `${name} comes encoded (${encoding}), though that was not asked for.`,
    {
      hint: 'Turn that off on the server, or download the file first.',
    },
  );
}

/** `Content-Range: bytes 0-99/1234`, with the end behind the last byte. @throws ImageIoError `read-failed` */
function contentRange(answer: HttpAnswer, name: string): AnsweredRange {
  const found = parseContentRange(answer.headers);
  if (found === undefined) throw wrongRange(answer, name);
  return found;
}

interface AnsweredRange {
  readonly start: number;
  readonly end: number;
  readonly total: number;
}

function parseContentRange(headers: HttpHeaders): AnsweredRange | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(headers['content-range'] ?? '');
  const [start, last, total] = (match ?? []).slice(1).map(Number) as [number?, number?, number?];
  if (start === undefined || last === undefined || total === undefined) return undefined;
  return Number.isSafeInteger(total) ? { start, end: last + 1, total } : undefined;
}

/** Of `Content-Range: bytes *` with a size, in an answer 416. */
function totalOf({ headers }: HttpAnswer): number | undefined {
  const match = /^bytes \*\/(\d{1,16})$/.exec(headers['content-range'] ?? '');
  return match ? Number(match[1]) : undefined;
}

function wrongRange(answer: HttpAnswer, name: string): ImageIoError {
  answer.discard();
  const said = JSON.stringify(answer.headers['content-range'] ?? '');
  return new ImageIoError(
    'read-failed',
    `${name}: the server sends another range than was asked for (${said}).`,
    {
      hint: 'Download the file first, or let diskimg do so with --spool.',
    },
  );
}

/** @throws ImageIoError `source-changed` */
function requireSame(answer: HttpAnswer, resource: HttpResource): void {
  const { headers } = answer;
  if (headers.etag === resource.etag && headers['last-modified'] === resource.lastModified) return;
  throw changed(answer, resource);
}

function changed(answer: HttpAnswer, { name }: HttpResource): ImageIoError {
  answer.discard();
  return new ImageIoError('source-changed', `${name} was changed while it was read.`, {
    hint: 'Convert again when it is complete.',
  });
}

/** Some servers answer a range of a changed file with all of it. */
function answeredWhole(answer: HttpAnswer, resource: HttpResource): ImageIoError {
  const { headers } = answer;
  if (headers.etag !== resource.etag || headers['last-modified'] !== resource.lastModified) {
    return changed(answer, resource);
  }
  answer.discard();
  return noRanges(resource.name);
}

export const noRanges = (name: string): ImageIoError =>
  new ImageIoError('no-ranges', `The server of ${name} does not give parts of the file.`, {
    hint: 'Let diskimg download it first, with --spool.',
  });

function changedOrShort(answer: HttpAnswer, resource: HttpResource, fileOffset: number): Error {
  const total = totalOf(answer);
  answer.discard();
  if (total !== undefined && total !== resource.size) return changed(answer, resource);
  return new CorruptImageError('truncated', `${resource.name} ends before byte ${fileOffset}.`, {
    fileOffset,
    hint: 'The server told another size before: download the file, and look.',
  });
}
