/** The pure parts of an upload: part sizes, waits, digests, entity tags, journals. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GiB, MiB, TiB } from '../../src/binary/align.ts';
import type { OutputPlan } from '../../src/index.ts';
import { multipartEtag } from '../../src/upload/etag.ts';
import { headLine, lineOf, parseJournal, requireSameUpload } from '../../src/upload/journal.ts';
import { digestPart } from '../../src/upload/part-digest.ts';
import { choosePartSize } from '../../src/upload/part-size.ts';
import { MAX_ASKED_WAIT_MS, MAX_WAIT_MS, retrying, waitBefore } from '../../src/upload/retry.ts';
import { isTransientStatus, StoreError, type StoreLimits } from '../../src/upload/store.ts';

const S3: StoreLimits = {
  minPartSize: 5 * MiB,
  maxPartSize: 5 * GiB,
  maxParts: 10_000,
  maxObjectSize: 5 * TiB,
};
const signal = new AbortController().signal;

describe('the part size', () => {
  it('is 16 MiB, and as much more as is needed', () => {
    expect(choosePartSize({ size: 0, isExact: true }, S3, undefined)).toBe(16 * MiB);
    expect(choosePartSize({ size: 160_000 * MiB, isExact: true }, S3, undefined)).toBe(16 * MiB);
    expect(choosePartSize({ size: 160_000 * MiB + 1, isExact: true }, S3, undefined)).toBe(17 * MiB);
    expect(choosePartSize({ size: 5 * TiB, isExact: true }, S3, undefined)).toBe(525 * MiB);
    expect(choosePartSize({ size: 64 * TiB, isExact: false }, S3, undefined)).toBe(525 * MiB);
  });

  it('always makes no more parts than the store takes, of sizes that it takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 * TiB }), fc.boolean(), (size, isExact) => {
        const partSize = choosePartSize({ size, isExact }, S3, undefined);
        expect(Math.ceil(size / partSize)).toBeLessThanOrEqual(10_000);
        expect(partSize).toBeGreaterThanOrEqual(S3.minPartSize);
        expect(partSize).toBeLessThanOrEqual(GiB);
      }),
    );
  });

  it('is refused when it does not fit', () => {
    const choose = (size: number, asked: number | undefined) => () =>
      choosePartSize({ size, isExact: true }, S3, asked);
    expect(choose(5 * TiB + 1, undefined)).toThrow(expect.objectContaining({ code: 'bad-size' }));
    for (const asked of [5 * MiB - 1, GiB + 1, 5.5 * MiB + 0.5, Number.NaN, 0, -1]) {
      expect(choose(GiB, asked)).toThrow(expect.objectContaining({ code: 'bad-option' }));
    }
    expect(choose(100 * GiB, 5 * MiB)).toThrow('more than 10000 parts');
    expect(choose(GiB, 5 * MiB)()).toBe(5 * MiB);
  });
});

describe('waits', () => {
  it('double up to a limit, anywhere below', () => {
    expect(waitBefore(1, () => 0.999, undefined)).toBe(250);
    expect(waitBefore(2, () => 0.5, undefined)).toBe(250);
    expect(waitBefore(100, () => 0, undefined)).toBe(0);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, chance) => {
          const wait = waitBefore(attempt, () => chance, undefined);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(MAX_WAIT_MS);
        },
      ),
    );
  });

  it('are as long as the store asks, within reason', () => {
    expect(waitBefore(1, () => 0, 7000)).toBe(7000);
    expect(waitBefore(1, () => 0, 1e9)).toBe(MAX_ASKED_WAIT_MS);
  });
});

describe('a request', () => {
  const how = (waits: number[]) => ({
    retries: 3,
    random: () => 0.5,
    sleep: async (milliseconds: number) => waits.push(milliseconds),
    onRetry: undefined,
  });
  const passing = new StoreError('Slow down.', { isTransient: true, retryAfterMs: 2000 });

  it('is made again as often as it may be', async () => {
    const waits: number[] = [];
    const attempts: number[] = [];
    const work = async (attempt: number): Promise<never> => {
      attempts.push(attempt);
      throw passing;
    };
    await expect(retrying('putPart 1', how(waits), signal, work)).rejects.toBe(passing);
    expect(attempts).toEqual([0, 1, 2, 3]);
    expect(waits).toEqual([2125, 2250, 2500]);
  });

  it('is not made again when it was refused, or when the error is not of the store', async () => {
    for (const error of [new StoreError('No.', { isTransient: false }), new TypeError('a mistake')]) {
      const waits: number[] = [];
      await expect(retrying('start', how(waits), signal, () => Promise.reject(error))).rejects.toBe(error);
      expect(waits).toEqual([]);
    }
  });

  it('waits no more when it is cancelled', async () => {
    const stop = new AbortController();
    const sleeping = {
      ...how([]),
      sleep: () => {
        stop.abort();
        return Promise.reject(new Error('aborted'));
      },
    };
    await expect(
      retrying('start', sleeping, stop.signal, () => Promise.reject(passing)),
    ).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('may pass when the server is at fault, and not when the client is', () => {
    for (const status of [undefined, 200, 408, 409, 425, 429, 500, 503])
      expect(isTransientStatus(status)).toBe(true);
    for (const status of [301, 400, 401, 403, 404, 412]) expect(isTransientStatus(status)).toBe(false);
  });
});

describe('digests', () => {
  it('are those of the bytes, however many', async () => {
    for (const length of [0, 1, 9 * MiB, 16 * MiB]) {
      const bytes = new Uint8Array(length).fill(length % 251);
      for (const algorithm of ['md5', 'sha256'] as const) {
        const wanted = createHash(algorithm).update(bytes).digest('hex');
        expect(await digestPart(algorithm, bytes, signal)).toBe(wanted);
      }
    }
    expect(await digestPart('crc32c', new TextEncoder().encode('123456789'), signal)).toBe('e3069283');
    expect(await digestPart('crc32c', new Uint8Array(0), signal)).toBe('00000000');
  });

  it('of an object are those of its parts, if these are digests', () => {
    // md5sum of the 16 bytes of md5sum('') twice, as S3 has it
    const empty = 'd41d8cd98f00b204e9800998ecf8427e';
    const twice = createHash('md5')
      .update(Buffer.from(empty + empty, 'hex'))
      .digest('hex');
    expect(multipartEtag([`"${empty}"`, empty])).toBe(`${twice}-2`);
    expect(multipartEtag([empty, 'something-else'])).toBeUndefined();
  });
});

describe('a journal', () => {
  const plan: OutputPlan = {
    version: 1,
    format: 'zvhd2',
    options: { a: 1, b: 2 },
    virtualSize: GiB,
    identity: { uuid: '0'.repeat(32), timestamp: 0 },
    source: 'x',
  };
  const head = { target: 's3://b/k', partSize: 16 * MiB, plan };
  const lines = [
    headLine(head),
    lineOf({ begun: 'u1' }),
    lineOf({ made: 1, start: 0, found: 'abc' }),
    lineOf({ made: 2, start: 100, found: '' }),
    lineOf({ stored: 1, size: 100, etag: 'e', digest: 'd' }),
    lineOf({ completing: 2 }),
    lineOf({ complete: { etag: 'x-2' } }),
  ];
  const textOf = (count: number): string =>
    lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join('');

  it('says what was written', () => {
    expect(parseJournal('')).toMatchObject({ head: undefined, uploadId: undefined, found: [] });
    expect(parseJournal(textOf(7))).toEqual({
      head,
      uploadId: 'u1',
      found: [
        { start: 0, found: 'abc' },
        { start: 100, found: '' },
      ],
      stored: new Map([[1, { number: 1, size: 100, etag: 'e', digest: 'd' }]]),
      completing: 2,
      object: { etag: 'x-2' },
    });
  });

  it('says, when it was torn, what was whole', () => {
    for (let count = 0; count < lines.length; count++) {
      for (let cut = 0; cut < (lines[count] as string).length; cut += 3) {
        const torn = textOf(count) + (lines[count] as string).slice(0, cut);
        expect(parseJournal(torn)).toEqual(parseJournal(textOf(count)));
      }
    }
  });

  it('forgets what a lost upload had stored, and after a change of the source all', () => {
    const lost = parseJournal(`${textOf(7)}${lineOf({ begun: 'u2' })}\n`);
    expect(lost).toMatchObject({ head, uploadId: 'u2', completing: undefined, object: undefined });
    expect(lost.stored.size).toBe(0);
    expect(lost.found).toHaveLength(2);
    const dropped = parseJournal(`${textOf(6)}${lineOf({ dropped: 'u1' })}\n`);
    expect(dropped).toMatchObject({ head, uploadId: undefined, found: [], completing: undefined });
  });

  it('is the same whatever the order of its fields', () => {
    const { options, ...rest } = plan;
    const other = { options: { b: 2, a: 1 }, ...rest };
    expect(() => requireSameUpload(head, { ...head, plan: other })).not.toThrow();
    expect(() => requireSameUpload(head, { ...head, plan: { ...plan, options: { a: 2, b: 2 } } })).toThrow();
  });

  it('has one first line', () => {
    expect(() => parseJournal(textOf(1) + textOf(1))).toThrow('Line 2');
    expect(() => parseJournal(`${lineOf({ begun: 'x' })}\n`)).toThrow('not a journal');
    expect(() => parseJournal(`${textOf(2)}{"later":1}\n`)).toThrow('Line 3');
  });
});
