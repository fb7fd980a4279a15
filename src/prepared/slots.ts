/** Places in memory that threads share, each for one task at a time. */

import { CancelledError } from '../errors.ts';

export interface Slots {
  readonly memory: SharedArrayBuffer;
  /** Bytes of each. */
  readonly slotSize: number;
  /** Does `use` with a place of its own, given by its offset in the memory; waits for one to be free. */
  with<T>(use: (slotOffset: number) => Promise<T>): Promise<T>;
}

export function createSlots(count: number, slotSize: number): Slots {
  const free = Array.from({ length: count }, (_, index) => index * slotSize);
  const waiting: ((slotOffset: number) => void)[] = [];
  const acquire = (): Promise<number> => {
    const slotOffset = free.pop();
    return slotOffset === undefined
      ? new Promise((resolve) => waiting.push(resolve))
      : Promise.resolve(slotOffset);
  };
  return {
    memory: new SharedArrayBuffer(count * slotSize),
    slotSize,
    async with(use) {
      const slotOffset = await acquire();
      try {
        return await use(slotOffset);
      } finally {
        const next = waiting.shift();
        if (next) next(slotOffset);
        else free.push(slotOffset);
      }
    },
  };
}

/**
 * The promise, or a CancelledError as soon as `signal` is aborted. What the promise stands for goes on; its result is
 * not looked at any more.
 */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new CancelledError({ cause: signal.reason }));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
