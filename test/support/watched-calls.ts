/**
 * The system calls by which an output is made, counted, so that each of them can be made to fail. A test file replaces
 * `node:fs` and `node:fs/promises` with what this makes of them; it then sees the calls of io/file-output and
 * io/file-target, which no test could make fail one by one otherwise.
 */

import type * as fs from 'node:fs';
import type * as promises from 'node:fs/promises';

export interface CallBooks {
  /** Called before each call, with its number from 1 and its name. What it throws, the call throws. */
  before: (call: number, name: string) => void;
  /** Names of the calls so far. */
  made: string[];
  /** How many of the bytes that a read or a write is asked for does it do? All, by default. */
  takes: (length: number) => number;
  /** Is anything counted at all? */
  isOn: boolean;
}

export const calls: CallBooks = { before: () => {}, made: [], takes: (length) => length, isOn: false };

/** Counts the calls of `work`. */
export async function watching<T>(
  options: Partial<Pick<CallBooks, 'before' | 'takes'>>,
  work: () => Promise<T>,
): Promise<T> {
  Object.assign(calls, {
    before: () => {},
    takes: (length: number) => length,
    ...options,
    made: [],
    isOn: true,
  });
  try {
    return await work();
  } finally {
    calls.isOn = false;
  }
}

function note(name: string): void {
  if (!calls.isOn) return;
  calls.made.push(name);
  calls.before(calls.made.length, name);
}

/** A call that fails is not made; but what is closed is closed, whatever close() says. */
const watched =
  <A extends unknown[], R>(name: string, call: (...args: A) => R) =>
  (...args: A): R => {
    note(name);
    return call(...args);
  };

export function watchedFs(original: typeof fs): typeof fs {
  const writevSync = (fd: number, parts: readonly Uint8Array[], position?: number | null): number => {
    note('writev');
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const taken = calls.isOn ? calls.takes(length) : length;
    if (taken === length) return original.writevSync(fd, parts, position ?? undefined);
    return original.writeSync(fd, Buffer.concat(parts), 0, taken, position);
  };
  const readSync = (fd: number, into: Uint8Array, at: number, length: number, position: number): number =>
    original.readSync(fd, into, at, calls.isOn ? calls.takes(length) : length, position);
  const closeSync = (fd: number): void => {
    original.closeSync(fd);
    note('close');
  };
  return {
    ...original,
    writevSync: writevSync as typeof fs.writevSync,
    readSync: readSync as typeof fs.readSync,
    closeSync,
    openSync: watched('open', original.openSync) as typeof fs.openSync,
  };
}

export function watchedPromises(original: typeof promises): typeof promises {
  const wrapped = (handle: promises.FileHandle): promises.FileHandle =>
    new Proxy(handle, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          if (key === 'read' && calls.isOn) args[2] = calls.takes(args[2] as number);
          else if (key !== 'close') note(String(key));
          const result = await value.apply(target, args);
          if (key === 'close') note('close');
          return result;
        };
      },
    });
  return {
    ...original,
    open: async (...args) => {
      note('open');
      return wrapped(await original.open(...args));
    },
    rename: async (...args) => {
      note('rename');
      return original.rename(...args);
    },
    unlink: async (...args) => {
      note('unlink');
      return original.unlink(...args);
    },
  };
}
