/** Sources that count what is asked of them, so that something can happen at any call: a fault, a pause, a word to stop. */

import { readdirSync } from 'node:fs';
import type { ByteSource } from '../../src/io/source.ts';

/** Called before each call with its number, from 1. What it throws, the call throws. */
export type BeforeCall = (call: number) => void | Promise<void>;

export interface WatchedSource extends ByteSource {
  readonly books: { reads: number; closes: number; readsWhenClosed: number };
}

/** `bytes` as a source that no thread can open. */
export function watchedSource(bytes: Uint8Array, before: BeforeCall, name = 'watched'): WatchedSource {
  const books = { reads: 0, closes: 0, readsWhenClosed: 0 };
  return {
    name,
    size: bytes.length,
    books,
    async read(into, fileOffset) {
      books.reads += 1;
      if (books.closes > 0) books.readsWhenClosed += 1;
      await before(books.reads);
      if (fileOffset + into.length > bytes.length) throw new Error('a read past the end was not prevented');
      into.set(bytes.subarray(fileOffset, fileOffset + into.length));
    },
    async close() {
      books.closes += 1;
    },
  };
}

/** An error, and what caused it, and what caused that. */
export function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let at = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) causes.push(at);
  return causes;
}

/** What a promise was rejected with; undefined when it was not. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Files that this process has open; Linux only, 0 elsewhere. */
export const openFiles = (): number => entriesOf('/proc/self/fd');

/** Threads of this process; Linux only, 0 elsewhere. */
export const liveThreads = (): number => entriesOf('/proc/self/task');

function entriesOf(folder: string): number {
  return process.platform === 'linux' ? readdirSync(folder).length : 0;
}
