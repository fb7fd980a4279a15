/**
 * The turnstile hands out addresses in task order: a task waits for its turn, takes the address that the task before
 * has left, and leaves the one behind its own bytes. Only this is serial; reading, compressing and writing are not.
 * So the output has the same bytes for any number of threads.
 */

import { CancelledError } from '../errors.ts';
import { type Frontier, frontierAt } from '../image/frontier.ts';

export interface Turnstile {
  /** Shared between threads: the turn, and the frontier of the file. */
  readonly memory: SharedArrayBuffer;
}

/** The turn that never comes: the conversion has failed. */
const CLOSED = -1;

const views = ({ memory }: Turnstile) => ({
  turn: new Int32Array(memory, 0, 1),
  frontier: new BigInt64Array(memory, 8, 2),
});

export function createTurnstile(firstAddress: number): Turnstile {
  const turnstile = { memory: new SharedArrayBuffer(24) };
  writeFrontier(turnstile, frontierAt(firstAddress));
  return turnstile;
}

/**
 * Waits until all tasks before `index` have passed, then lets this one pass: `pass` gets the frontier that they left
 * and returns the next one. Every task passes exactly once.
 * @throws CancelledError when the turnstile was closed
 */
export function passTurnstile(
  turnstile: Turnstile,
  index: number,
  pass: (frontier: Frontier) => Frontier,
): void {
  const { turn } = views(turnstile);
  for (let current = Atomics.load(turn, 0); current !== index; current = Atomics.load(turn, 0)) {
    if (current === CLOSED) throw new CancelledError();
    Atomics.wait(turn, 0, current);
  }
  writeFrontier(turnstile, pass(lastFrontier(turnstile)));
  // A turnstile that was closed meanwhile stays closed.
  if (Atomics.compareExchange(turn, 0, index, index + 1) === CLOSED) throw new CancelledError();
  Atomics.notify(turn, 0);
}

/** @throws CancelledError when the turnstile was closed: there is no use in beginning a task */
export function requireOpen(turnstile: Turnstile): void {
  if (Atomics.load(views(turnstile).turn, 0) === CLOSED) throw new CancelledError();
}

/** Turns everyone away who waits, or comes later. */
export function closeTurnstile(turnstile: Turnstile): void {
  const { turn } = views(turnstile);
  Atomics.store(turn, 0, CLOSED);
  Atomics.notify(turn, 0);
}

/** The frontier that the last task has left; for a task in its turn, or when all have passed. */
export function lastFrontier(turnstile: Turnstile): Frontier {
  const [end, open] = views(turnstile).frontier;
  return { end: Number(end), open: Number(open) };
}

function writeFrontier(turnstile: Turnstile, { end, open }: Frontier): void {
  views(turnstile).frontier.set([BigInt(end), BigInt(open)]);
}
