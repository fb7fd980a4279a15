/** The adapters over clients of the test's own: what real stores say now and then. */

import { describe, expect, it } from 'vitest';
import { obsStore, type S3Commands, StoreError, s3Store } from '../../src/index.ts';
import { refusalError, retryAfter } from '../../src/upload/refusal.ts';

const { signal } = new AbortController();

class Command {
  readonly input: Readonly<Record<string, unknown>>;
  constructor(input: Readonly<Record<string, unknown>>) {
    this.input = input;
  }
}
const commands = Object.fromEntries(
  [
    'CreateMultipartUpload',
    'UploadPart',
    'ListParts',
    'CompleteMultipartUpload',
    'AbortMultipartUpload',
    'HeadObject',
  ].map((name) => [`${name}Command`, class extends Command {}]),
) as unknown as S3Commands;

type Answer = (input: Readonly<Record<string, unknown>>) => unknown;

const s3With = (answer: Answer, options = {}) =>
  s3Store({ send: async (command: never) => answer((command as Command).input) }, commands, {
    bucket: 'b',
    key: 'k',
    ...options,
  });

const obsWith = (answer: Answer) => {
  const method = async (input: object) => answer(input as Readonly<Record<string, unknown>>);
  return obsStore(
    {
      initiateMultipartUpload: method,
      uploadPart: method,
      listParts: method,
      completeMultipartUpload: method,
      abortMultipartUpload: method,
      getObjectMetadata: method,
    },
    { bucket: 'b', key: 'k' },
  );
};

const answerOf = (InterfaceResult: object) => ({ CommonMsg: { Status: 200 }, InterfaceResult });
const part = (number: number) => ({ number, bytes: new Uint8Array(3), digest: '00ff'.repeat(8) });
const thrownBy = (work: Promise<unknown>): Promise<StoreError> =>
  work.then(
    () => expect.fail('It was done.'),
    (error) => error,
  );

describe('s3Store', () => {
  it('gives digests as headers have them, and again when the object is made', async () => {
    const inputs: Readonly<Record<string, unknown>>[] = [];
    const store = s3With(
      (input) => {
        inputs.push(input);
        return { UploadId: 'u', ETag: '"e"', Location: 'there' };
      },
      { digest: 'crc32c', create: { StorageClass: 'STANDARD_IA' } },
    );
    await store.start(signal);
    await store.putPart('u', { ...part(1), digest: 'e3069283' }, signal);
    const object = await store.complete(
      'u',
      [{ number: 1, size: 3, etag: '"e"', digest: 'e3069283' }],
      signal,
    );
    expect(inputs).toMatchObject([
      { Bucket: 'b', Key: 'k', ChecksumAlgorithm: 'CRC32C', StorageClass: 'STANDARD_IA' },
      { PartNumber: 1, ContentLength: 3, ChecksumCRC32C: '4waSgw==' },
      { MultipartUpload: { Parts: [{ PartNumber: 1, ETag: '"e"', ChecksumCRC32C: '4waSgw==' }] } },
    ]);
    expect(object).toEqual({ etag: '"e"', location: 'there' });
  });

  it('reads all pages of parts, and does not ask for the same one for ever', async () => {
    const pages: Readonly<Record<string, object>> = {
      undefined: {
        IsTruncated: true,
        NextPartNumberMarker: '1',
        Parts: [{ PartNumber: 1, Size: 5, ETag: 'a' }],
      },
      1: { IsTruncated: true, NextPartNumberMarker: '2', Parts: [{ PartNumber: 2, Size: 5, ETag: 'b' }] },
      2: { IsTruncated: false, Parts: [{ PartNumber: 3, Size: 2, ETag: 'c' }] },
    };
    const all = await s3With(({ PartNumberMarker }) => pages[String(PartNumberMarker)]).listParts(
      'u',
      signal,
    );
    expect(all.map(({ number }) => number)).toEqual([1, 2, 3]);
    const stuck = s3With(() => ({ IsTruncated: true, NextPartNumberMarker: '1', Parts: [] }));
    expect(await stuck.listParts('u', signal)).toEqual([]);
  });

  it('knows what passes from what stays', async () => {
    const refused = (name: string, httpStatusCode: number | undefined, more = {}) =>
      thrownBy(
        s3With(() => {
          throw Object.assign(new Error('why'), {
            name,
            $metadata: { httpStatusCode, requestId: 'R' },
            ...more,
          });
        }).putPart('u', part(1), signal),
      );
    expect(await refused('SlowDown', 503)).toMatchObject({ isTransient: true, requestId: 'R' });
    expect(await refused('RequestTimeout', 400)).toMatchObject({ isTransient: true });
    expect(await refused('BadDigest', 400)).toMatchObject({ isTransient: true });
    expect(await refused('InternalError', 200)).toMatchObject({ isTransient: true });
    expect(await refused('AccessDenied', 403)).toMatchObject({
      isTransient: false,
      storeCode: 'AccessDenied',
    });
    expect(await refused('NoSuchUpload', 404)).toMatchObject({ isTransient: false, isGone: true });
    expect(await refused('TimeoutError', undefined)).toMatchObject({ isTransient: true, status: undefined });
    expect(await refused('CredentialsProviderError', undefined)).toMatchObject({ isTransient: false });
    expect(await refused('Error', undefined, { code: 'ECONNRESET' })).toMatchObject({ isTransient: true });
    expect(await refused('Error', undefined, { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })).toMatchObject({
      isTransient: false,
    });
    const asked = await refused('SlowDown', 503, { $response: { headers: { 'Retry-After': '7' } } });
    expect(asked.retryAfterMs).toBe(7000);
  });

  it('does not take anything for an object store', async () => {
    const page = s3With(() => ({}));
    for (const work of [
      page.start(signal),
      page.putPart('u', part(1), signal),
      page.complete('u', [{ number: 1, size: 3, etag: 'e' }], signal),
    ]) {
      expect(await thrownBy(work)).toMatchObject({
        isTransient: false,
        hint: expect.stringContaining('endpoint'),
      });
    }
  });

  it('finds no object where there is none, and removes what is gone already', async () => {
    const missing = s3With(() => {
      throw Object.assign(new Error('x'), { name: 'NotFound', $metadata: { httpStatusCode: 404 } });
    });
    expect(await missing.find?.(signal)).toBeUndefined();
    const gone = s3With(() => {
      throw Object.assign(new Error('x'), { name: 'NoSuchUpload', $metadata: { httpStatusCode: 404 } });
    });
    await gone.abort('u', signal);
    const { HeadObjectCommand: _, ...five } = commands;
    const without = s3Store({ send: async () => ({}) }, five, { bucket: 'b', key: 'k' });
    expect(without.find).toBeUndefined();
  });
});

describe('obsStore', () => {
  it('reads what the client gives as text', async () => {
    const store = obsWith(({ PartNumberMarker }) =>
      answerOf(
        PartNumberMarker === undefined
          ? {
              IsTruncated: 'true',
              NextPartNumberMarker: '1',
              Parts: [{ PartNumber: '1', Size: '5', ETag: '"a"' }],
            }
          : { IsTruncated: 'false', Parts: [{ PartNumber: '2', Size: '3', ETag: '"b"' }] },
      ),
    );
    expect(await store.listParts('u', signal)).toEqual([
      { number: 1, size: 5, etag: '"a"' },
      { number: 2, size: 3, etag: '"b"' },
    ]);
    const found = obsWith(() => answerOf({ ContentLength: '8', ETag: '"c"' }));
    expect(await found.find?.(signal)).toEqual({ size: 8, etag: '"c"' });
  });

  it('sees an answer that is a refusal', async () => {
    const store = obsWith(() => ({
      CommonMsg: { Status: 403, Code: 'AccessDenied', Message: 'Access Denied', RequestId: 'R' },
      InterfaceResult: null,
    }));
    expect(await thrownBy(store.start(signal))).toMatchObject({
      isTransient: false,
      storeCode: 'AccessDenied',
      message: 'initiateMultipartUpload: AccessDenied: Access Denied (HTTP 403, request id R).',
    });
  });

  it('does not wait for a request that is told to stop', async () => {
    const stop = new AbortController();
    const store = obsWith(() => new Promise(() => {}));
    const stopped = thrownBy(store.putPart('u', part(1), stop.signal));
    stop.abort();
    expect(await stopped).toMatchObject({ code: 'cancelled' });
  });
});

describe('a refusal', () => {
  it('has a wait in seconds, or up to a date that is compared with the answer’s own', () => {
    expect(retryAfter({ 'retry-after': '3' })).toBe(3000);
    const date = 'Fri, 01 Jan 2027 00:00:00 GMT';
    expect(retryAfter({ 'Retry-After': 'Fri, 01 Jan 2027 00:01:00 GMT', Date: date })).toBe(60_000);
    expect(retryAfter({ 'retry-after': 'soon' })).toBeUndefined();
    expect(retryAfter({})).toBeUndefined();
    expect(retryAfter(undefined)).toBeUndefined();
  });

  it('says what is known, once', () => {
    const of = (code: string | undefined, message: string) =>
      refusalError({ what: 'X', status: undefined, code, message, requestId: undefined, headers: undefined });
    expect(of('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1').message).toBe(
      'X: ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1.',
    );
    expect(of(undefined, '').message).toBe('X: no answer.');
    expect(of('Same', 'Same').message).toBe('X: Same.');
    expect(of('X', 'y')).toBeInstanceOf(StoreError);
  });
});
