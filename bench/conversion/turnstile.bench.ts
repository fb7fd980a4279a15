/** Passing the turnstile: by one thread, and by two that wait for each other at every turn. */

import { once } from 'node:events';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { createTurnstile, passTurnstile, type Turnstile } from '../../src/conversion/turnstile.ts';
import { frontierAt } from '../../src/image/frontier.ts';
import { measure } from '../timing.ts';

/** So many that the start of the threads hardly counts. */
const PASSES = 100_000;

/** Passes every `step`-th turn from `first`. */
function passAll(turnstile: Turnstile, first: number, step: number): void {
  for (let turn = first; turn < PASSES; turn += step) {
    passTurnstile(turnstile, turn, ({ end }) => frontierAt(end + 4096));
  }
}

interface Turns {
  readonly turnstile: Turnstile;
  readonly first: number;
  readonly step: number;
}

async function passWith(threads: number): Promise<void> {
  const turnstile = createTurnstile(0);
  const workers = Array.from({ length: threads }, (_, first) => {
    const turns: Turns = { turnstile, first, step: threads };
    return new Worker(new URL(import.meta.url), { workerData: turns });
  });
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
}

if (isMainThread) {
  const work = { amount: PASSES, unit: 'passes' };
  await measure('one thread', work, () => passAll(createTurnstile(0), 0, 1));
  await measure('one worker, with its start', work, () => passWith(1));
  await measure('two workers in turn, with their start', work, () => passWith(2));
} else {
  const { turnstile, first, step } = workerData as Turns;
  passAll(turnstile, first, step);
}
