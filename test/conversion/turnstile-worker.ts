/** A thread that passes a turnstile with some tasks, after work that takes a different time for each. */

import { parentPort, workerData } from 'node:worker_threads';
import { passTurnstile } from '../../src/conversion/turnstile.ts';
import { errorToWire } from '../../src/errors.ts';
import { frontierAt } from '../../src/image/frontier.ts';

export interface TurnstileJob {
  readonly memory: SharedArrayBuffer;
  readonly indexes: readonly number[];
}

export interface TurnstileReport {
  /** Task, and the address that it got. */
  readonly passed: readonly (readonly [index: number, address: number])[];
  readonly code?: string;
}

/** Bytes that a task takes. */
export const lengthOf = (index: number): number => ((index * 7919) % 1000) + 2 ** 33;

function work({ memory, indexes }: TurnstileJob): TurnstileReport {
  const passed: [number, number][] = [];
  const idle = new Int32Array(new SharedArrayBuffer(4));
  try {
    for (const index of indexes) {
      Atomics.wait(idle, 0, 0, (index * 31) % 5);
      passTurnstile({ memory }, index, ({ end }) => {
        passed.push([index, end]);
        return frontierAt(end + lengthOf(index));
      });
    }
    return { passed };
  } catch (error) {
    return { passed, code: errorToWire(error).code };
  }
}

parentPort?.postMessage(work(workerData));
