/** Whatever goes wrong on the way, the object has the bytes of the file, or there is none. */

import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { CancelledError, ImageError } from '../../src/errors.ts';
import { convert, type OutputFormat, type PreparedOutput, prepare } from '../../src/index.ts';
import type { Journal } from '../../src/upload/journal.ts';
import { StoreError } from '../../src/upload/store.ts';
import { runUpload, type UploadSettings } from '../../src/upload/upload-parts.ts';
import { uploadParts } from '../../src/upload.ts';
import { diskOf } from '../support/guest-disks.ts';
import { type MemoryStore, memoryJournal, memoryStore } from '../support/memory-store.ts';
import { seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const PART = 128 * KiB;
const TIMESTAMP = 1_700_000_000;

/** Noise, text and holes: about ten parts in any format. */
const disk = diskOf(4 * MiB, [
  { end: 700 * KiB, kind: 'noise', seed: 1 },
  { end: 1500 * KiB, kind: 'zero', seed: 0 },
  { end: 2100 * KiB, kind: 'noise', seed: 2 },
  { end: 3 * MiB, kind: 'repeat', seed: 3 },
  { end: 3500 * KiB, kind: 'noise', seed: 4 },
]).bytes as Uint8Array<ArrayBuffer>;

const kinds: Readonly<Record<string, OutputFormat>> = {
  raw: { format: 'raw' },
  'dynamic vhd': { format: 'vhd' },
  qcow2: { format: 'qcow2' },
  'compressed qcow2': { format: 'qcow2', options: { compress: true } },
  zvhd: { format: 'zvhd' },
  zvhd2: { format: 'zvhd2' },
};
const names = Object.keys(kinds);

const prepared = (name: string): Promise<PreparedOutput> =>
  prepare(disk, {
    ...(kinds[name] as OutputFormat),
    scan: 'data',
    reproducible: { timestamp: TIMESTAMP },
    input: { format: 'raw' },
  });

const files = new Map<string, Promise<Uint8Array>>();

/** What `convert` writes. */
function fileOf(name: string): Promise<Uint8Array> {
  const known = files.get(name) ?? converted(name);
  files.set(name, known);
  return known;
}

async function converted(name: string): Promise<Uint8Array> {
  const output = path(`${name}.converted`);
  const { format, options } = kinds[name] as OutputFormat;
  await convert(disk, output, {
    format,
    options,
    reproducible: { timestamp: TIMESTAMP },
    input: { format: 'raw' },
  } as Parameters<typeof convert>[2]);
  return readFileSync(output);
}

/** Retries do not wait. */
function settings(given: Partial<UploadSettings> & { readonly retries?: number } = {}): UploadSettings {
  const random = seededRandom(5);
  return {
    partSize: PART,
    concurrency: 3,
    how: {
      retries: given.retries ?? 20,
      random: () => random() / 2 ** 32,
      sleep: async () => {},
      onRetry: undefined,
    },
    journal: undefined,
    signal: undefined,
    onProgress: undefined,
    ...given,
  };
}

async function upload(name: string, store: MemoryStore, given: Parameters<typeof settings>[0] = {}) {
  await using output = await prepared(name);
  return await runUpload(output, store, settings(given));
}

/** Each call fails with this likelihood, half of them when they are done. */
function flaky(share: number, seed: number) {
  const random = seededRandom(seed);
  return () => {
    if (random() / 2 ** 32 >= share) return undefined;
    return random() % 2 === 0 ? ('before' as const) : ('after' as const);
  };
}

describe.each(names)('%s', (name) => {
  it('arrives as convert writes it', async () => {
    const store = memoryStore({ digest: 'md5' });
    const report = await upload(name, store);
    const file = await fileOf(name);
    expect(Buffer.compare(store.object() as Uint8Array, file)).toBe(0);
    expect(report).toMatchObject({ size: file.length, resumedParts: 0, digestAlgorithm: 'md5' });
    expect(report.parts.length).toBe(Math.ceil(file.length / PART));
    expect(store.mostAtOnce()).toBeLessThanOrEqual(3);
    expect(store.uploads.size).toBe(0);
  });

  it('arrives when 30 % of all requests fail', async () => {
    for (const seed of [1, 2]) {
      const store = memoryStore({ digest: 'crc32c', fault: flaky(0.3, seed) });
      await upload(name, store, { journal: memoryJournal() });
      expect(Buffer.compare(store.object() as Uint8Array, await fileOf(name))).toBe(0);
    }
  });

  it('is stopped at a request, and gone on with', async () => {
    const whole = memoryStore();
    await upload(name, whole);
    const count = whole.calls.length;
    for (const call of new Set([0, 1, 2, 3, Math.floor(count / 2), count - 3, count - 2, count - 1])) {
      const stop = new AbortController();
      let isStopping = true;
      const store = memoryStore({
        fault: (_, number) => {
          if (isStopping && number === call) stop.abort();
          return undefined;
        },
      });
      const journal = memoryJournal();
      await expect(upload(name, store, { journal, signal: stop.signal })).rejects.toThrow(CancelledError);
      expect(store.object()).toBeUndefined();
      isStopping = false;
      const report = await upload(name, store, { journal });
      expect(Buffer.compare(store.object() as Uint8Array, await fileOf(name))).toBe(0);
      // Those whose answers were seen are not put again.
      if (call === count - 1) expect(report.resumedParts).toBe(report.parts.length);
    }
  });

  it('leaves nothing behind when it is stopped without a journal', async () => {
    for (const call of [0, 1, 4]) {
      const stop = new AbortController();
      const store = memoryStore({
        fault: (_, number) => {
          if (number === call) stop.abort();
          return undefined;
        },
      });
      await expect(upload(name, store, { signal: stop.signal })).rejects.toThrow(CancelledError);
      expect(store.uploads.size).toBe(0);
      expect(store.object()).toBeUndefined();
    }
  });

  it('goes on from a journal that was cut anywhere', async () => {
    const complete = memoryJournal();
    await upload(name, memoryStore(), { journal: complete });
    const text = complete.text();
    const object = await fileOf(name);
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length), fc.nat(9), async (cut, stored) => {
        const store = memoryStore();
        const uploadId = await store.start(new AbortController().signal);
        for (let number = 1; number <= stored; number++) {
          const bytes = object.slice((number - 1) * PART, number * PART) as Uint8Array<ArrayBuffer>;
          if (bytes.length === 0) continue;
          await store.putPart(uploadId, { number, bytes, digest: undefined }, new AbortController().signal);
        }
        await upload(name, store, { journal: memoryJournal(text.slice(0, cut)) });
        expect(Buffer.compare(store.object() as Uint8Array, object)).toBe(0);
      }),
      { numRuns: 6 },
    );
  });
});

describe('an upload', () => {
  it('does not believe in parts that another has put', async () => {
    const journal = memoryJournal();
    const store = memoryStore({ fault: (_, call) => (call === 5 ? refused() : undefined) });
    await expect(upload('raw', store, { journal, retries: 0 })).rejects.toThrow(StoreError);
    const [parts] = store.uploads.values();
    parts?.set(1, new Uint8Array(PART).fill(7));
    parts?.set(2, new Uint8Array(5));
    await upload('raw', store, { journal });
    expect(Buffer.compare(store.object() as Uint8Array, await fileOf('raw'))).toBe(0);
  });

  it('begins anew when the store has lost it', async () => {
    const journal = memoryJournal();
    const store = memoryStore({ fault: (_, call) => (call === 5 ? refused() : undefined) });
    await expect(upload('zvhd2', store, { journal })).rejects.toThrow(StoreError);
    const other = memoryStore();
    const report = await upload('zvhd2', other, { journal });
    expect(report.resumedParts).toBe(0);
    expect(Buffer.compare(other.object() as Uint8Array, await fileOf('zvhd2'))).toBe(0);
  });

  it('knows its object when only the answer was lost', async () => {
    const store = memoryStore({ fault: (method) => (method === 'complete' ? 'after' : undefined) });
    const report = await upload('qcow2', store);
    expect(report.etag).toMatch(/^"[0-9a-f]{32}-\d+"$/);
    expect(store.calls.slice(-3)).toEqual(['complete', 'complete', 'find']);

    const journal = memoryJournal();
    const once = memoryStore({ fault: (method) => (method === 'complete' ? 'after' : undefined) });
    await expect(upload('qcow2', once, { journal, retries: 0 })).rejects.toThrow('socket hang up');
    const before = once.calls.length;
    const again = await upload('qcow2', once, { journal });
    expect(once.calls.slice(before)).toEqual(['find']);
    expect(again.resumedParts).toBe(again.parts.length);
  });

  it('is not repeated when its journal is complete and its object is there', async () => {
    const journal = memoryJournal();
    const store = memoryStore();
    const first = await upload('dynamic vhd', store, { journal });
    const calls = store.calls.length;
    const second = await upload('dynamic vhd', store, { journal });
    expect(store.calls.slice(calls)).toEqual(['find']);
    expect(second).toMatchObject({ size: first.size, parts: first.parts, etag: first.etag });
    // The object is gone: it is made again.
    const empty = memoryStore();
    await upload('dynamic vhd', empty, { journal });
    expect(Buffer.compare(empty.object() as Uint8Array, await fileOf('dynamic vhd'))).toBe(0);
  });

  it('gives up at once when it is refused, and says what the store said', async () => {
    const store = memoryStore({ fault: (method) => (method === 'putPart' ? refused() : undefined) });
    await expect(upload('raw', store, { concurrency: 1 })).rejects.toMatchObject({
      code: 'upload-failed',
      status: 403,
      storeCode: 'AccessDenied',
    });
    expect(store.calls).toEqual(['start', 'putPart', 'abort', 'listParts']);
  });

  it('removes what was stored behind the removal', async () => {
    const store = memoryStore({ fault: (method) => (method === 'putPart' ? refused() : undefined) });
    let late = 0;
    const straggling: MemoryStore = {
      ...store,
      async listParts(uploadId, signal) {
        const parts = await store.listParts(uploadId, signal).catch(() => []);
        return late++ === 0 ? [...parts, { number: 1, size: 5, etag: 'x' }] : parts;
      },
    };
    await expect(upload('raw', straggling)).rejects.toThrow('Not for you.');
    expect(store.calls.filter((method) => method === 'abort')).toHaveLength(2);
  });

  it('does not wait for a store that does not heed its signal', async () => {
    const stop = new AbortController();
    const deaf: MemoryStore = {
      ...memoryStore(),
      putPart: () => {
        stop.abort();
        return new Promise(() => {});
      },
    };
    await expect(upload('raw', deaf, { signal: stop.signal })).rejects.toThrow(CancelledError);
  });

  it('tells of parts that it could not remove', async () => {
    const store = memoryStore({
      fault: (method) => (method === 'putPart' ? refused() : method === 'abort' ? 'before' : undefined),
    });
    await expect(upload('raw', store)).rejects.toMatchObject({
      code: 'upload-failed',
      message: 'Not for you.',
      hint: expect.stringContaining('upload-1 remain at memory://bucket/object'),
    });
  });

  it('makes no object of a source that has changed, and goes on with nothing of it', async () => {
    const source = path('changing.raw');
    writeFileSync(source, disk);
    const store = memoryStore();
    const journal = memoryJournal();
    await using output = await prepare(source, { format: 'zvhd2' });
    const isLast = (written: string): boolean => written.includes('"stored":2');
    const changing: Journal = {
      read: journal.read,
      async append(line) {
        await journal.append(line);
        if (isLast(line)) writeFileSync(source, new Uint8Array(4 * MiB).fill(1));
      },
    };
    await expect(runUpload(output, store, settings({ journal: changing }))).rejects.toMatchObject({
      code: 'source-changed',
    });
    expect(store.object()).toBeUndefined();
    expect(store.uploads.size).toBe(0);
    expect(journal.text()).toContain('"dropped"');
  });

  it('asks for each part again that has failed, and holds no more than its share', async () => {
    const reads: number[] = [];
    const output = await prepared('qcow2');
    const watched: PreparedOutput = {
      ...(output as Extract<PreparedOutput, { kind: 'addressable' }>),
      async *parts(partSize, options) {
        for await (const part of output.parts(partSize, options)) {
          yield {
            ...part,
            read: (signal) => {
              reads.push(part.number);
              return part.read(signal);
            },
          };
        }
      },
    };
    const store = memoryStore({ fault: (_, call) => (call === 2 || call === 3 ? 'before' : undefined) });
    const report = await runUpload(watched, store, settings({ concurrency: 1 }));
    expect(reads.filter((number) => number === 2)).toHaveLength(3);
    expect(reads).toHaveLength(report.parts.length + 2);
    expect(store.mostAtOnce()).toBe(1);
    await output.close();
  });

  it('tells how far it is, and ends with all', async () => {
    const told: number[] = [];
    const store = memoryStore();
    await upload('zvhd2', store, { onProgress: ({ doneBytes }) => told.push(doneBytes) });
    expect(told.at(-1)).toBe(disk.length);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
  });

  it('makes an empty object of an empty file', async () => {
    const store = memoryStore();
    await using output = await prepare(new Uint8Array(0), { format: 'raw', input: { format: 'raw' } });
    const report = await uploadParts(output, store);
    expect(report).toMatchObject({ size: 0, parts: [{ number: 1, size: 0 }] });
    expect(store.object()).toHaveLength(0);
  });
});

describe('what does not fit', () => {
  const upTo = async (name: string, journal: Journal, given: Parameters<typeof settings>[0] = {}) =>
    upload(name, memoryStore(), { journal, ...given });

  it('is a journal of another upload', async () => {
    const journal = memoryJournal();
    await upTo('raw', journal);
    await expect(upTo('zvhd2', journal)).rejects.toMatchObject({
      code: 'bad-option',
      message: expect.stringContaining('another output'),
    });
    await expect(upTo('raw', journal, { partSize: 2 * PART })).rejects.toThrow('in parts of 131072 bytes');
    const elsewhere = { ...memoryStore(), target: 'memory://elsewhere' } as MemoryStore;
    await expect(upload('raw', elsewhere, { journal })).rejects.toThrow('to memory://bucket/object');
  });

  it('is a text that is no journal', async () => {
    for (const text of ['hello\n', '{}\n', '[]\n', '{"begun":"x"}\n', '{"journal":"diskimg-upload"}\n']) {
      await expect(upTo('raw', memoryJournal(text))).rejects.toMatchObject({ code: 'bad-option' });
    }
  });

  it('is a number of parts that the store does not take', async () => {
    const store = memoryStore({ maxParts: 3 });
    await expect(upload('zvhd2', store)).rejects.toMatchObject({ code: 'bad-option' });
    expect(store.uploads.size).toBe(0);
    await using output = await prepared('raw');
    await expect(uploadParts(output, store, { partSize: PART })).rejects.toMatchObject({
      code: 'bad-option',
      hint: expect.stringContaining('2097152'),
    });
  });

  it('is a concurrency or a number of retries out of range', async () => {
    await using output = await prepared('raw');
    for (const options of [{ concurrency: 0 }, { concurrency: 1.5 }, { concurrency: 65 }, { retries: -1 }]) {
      const error = await uploadParts(output, memoryStore(), options).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(ImageError);
      expect(error).toMatchObject({ code: 'bad-option' });
    }
  });
});

const refused = (): StoreError =>
  new StoreError('Not for you.', { isTransient: false, status: 403, storeCode: 'AccessDenied' });
