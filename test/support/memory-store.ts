/** An object store in memory that keeps S3's rules, and fails where it is told to. */

import { createHash } from 'node:crypto';
import { KiB, TiB } from '../../src/binary/align.ts';
import { crc32c } from '../../src/binary/crc32c.ts';
import type { Journal } from '../../src/upload/journal.ts';
import {
  type ListedPart,
  type ObjectStore,
  type PartDigestAlgorithm,
  StoreError,
} from '../../src/upload/store.ts';

export type StoreMethod = 'start' | 'putPart' | 'listParts' | 'complete' | 'abort' | 'find';

/** `before`: nothing is done. `after`: it is done, and the answer is lost. */
export type Fault = 'before' | 'after' | StoreError | undefined;

export interface MemoryStore extends ObjectStore {
  readonly calls: readonly StoreMethod[];
  /** What is under way, by id. */
  readonly uploads: ReadonlyMap<string, Map<number, Uint8Array>>;
  /** The object, when there is one. */
  object(): Uint8Array | undefined;
  /** The most parts that were being put at once. */
  mostAtOnce(): number;
}

export interface MemoryStoreOptions {
  readonly digest?: PartDigestAlgorithm;
  /** What goes wrong with the call of this number, counted from 0. */
  readonly fault?: (method: StoreMethod, call: number) => Fault;
  readonly maxParts?: number;
}

export function memoryStore({ digest, fault, maxParts = 10_000 }: MemoryStoreOptions = {}): MemoryStore {
  const calls: StoreMethod[] = [];
  const uploads = new Map<string, Map<number, Uint8Array>>();
  let object: { readonly bytes: Uint8Array; readonly etag: string } | undefined;
  let begun = 0;
  let atOnce = 0;
  let most = 0;

  async function call<T>(method: StoreMethod, signal: AbortSignal, work: () => T): Promise<T> {
    signal.throwIfAborted();
    const wrong = fault?.(method, calls.length);
    calls.push(method);
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    if (wrong instanceof StoreError) throw wrong;
    if (wrong === 'before') throw new Error('connect ECONNREFUSED');
    const result = work();
    if (wrong === 'after') throw new Error('socket hang up');
    return result;
  }

  function partsOf(uploadId: string): Map<number, Uint8Array> {
    const parts = uploads.get(uploadId);
    if (parts) return parts;
    throw new StoreError('There is no such upload.', { isTransient: false, isGone: true, status: 404 });
  }

  return {
    target: 'memory://bucket/object',
    limits: { minPartSize: 64 * KiB, maxPartSize: 2 ** 30, maxParts, maxObjectSize: 5 * TiB },
    ...(digest && { digest }),
    start: (signal) =>
      call('start', signal, () => {
        begun += 1;
        uploads.set(`upload-${begun}`, new Map());
        return `upload-${begun}`;
      }),
    putPart: async (uploadId, part, signal) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      try {
        return await call('putPart', signal, () => {
          requireDigest(digest, part.digest, part.bytes);
          partsOf(uploadId).set(part.number, part.bytes.slice());
          return `"${md5(part.bytes)}"`;
        });
      } finally {
        atOnce -= 1;
      }
    },
    listParts: (uploadId, signal) =>
      call('listParts', signal, () =>
        [...partsOf(uploadId)].map(
          ([number, bytes]): ListedPart => ({ number, size: bytes.length, etag: md5(bytes) }),
        ),
      ),
    complete: (uploadId, parts, signal) =>
      call('complete', signal, () => {
        const there = partsOf(uploadId);
        const chosen = parts.map(({ number, etag }, index) => {
          const bytes = there.get(number);
          if (!bytes || etag.replaceAll('"', '') !== md5(bytes)) {
            throw new StoreError(`Part ${number} is not what was put.`, { isTransient: false, status: 400 });
          }
          if (index > 0 && number <= (parts[index - 1]?.number ?? 0)) {
            throw new StoreError('The parts are not in order.', { isTransient: false, status: 400 });
          }
          return bytes;
        });
        if (chosen.length === 0)
          throw new StoreError('There is no part.', { isTransient: false, status: 400 });
        const digests = chosen.map((bytes) => Buffer.from(md5(bytes), 'hex'));
        object = { bytes: Buffer.concat(chosen), etag: `${md5(Buffer.concat(digests))}-${chosen.length}` };
        uploads.delete(uploadId);
        return { etag: `"${object.etag}"`, location: 'memory://bucket/object' };
      }),
    abort: (uploadId, signal) => call('abort', signal, () => void uploads.delete(uploadId)),
    find: (signal) =>
      call('find', signal, () => object && { size: object.bytes.length, etag: `"${object.etag}"` }),
    calls,
    uploads,
    object: () => object?.bytes,
    mostAtOnce: () => most,
  };
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function requireDigest(
  algorithm: PartDigestAlgorithm | undefined,
  found: string | undefined,
  bytes: Uint8Array,
) {
  const wanted =
    algorithm === undefined
      ? undefined
      : algorithm === 'crc32c'
        ? crc32c(bytes).toString(16).padStart(8, '0')
        : createHash(algorithm).update(bytes).digest('hex');
  if (found === wanted) return;
  throw new StoreError(`The digest is ${found}, not ${wanted}.`, { isTransient: false, status: 400 });
}

/** A journal in memory, which begins with `text`. */
export function memoryJournal(text = ''): Journal & { text(): string } {
  let all = text;
  return {
    read: async () => all,
    async append(line) {
      all = `${all.slice(0, all.lastIndexOf('\n') + 1)}${line}\n`;
    },
    text: () => all,
  };
}
