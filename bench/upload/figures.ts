/** The figures of uploads that need no server: each takes a prepared output apart in its own way. */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { KiB, MiB, TiB } from '../../src/binary/align.ts';
import type { ObjectStore, Part, PartToPut, PrepareOptions } from '../../src/index.ts';

export type Library = typeof import('../../src/index.ts');

export interface Taking {
  /** What is measured: built, as users have it. */
  readonly library: Library;
  readonly source: string;
  readonly options: PrepareOptions;
  /** When the process was started, in milliseconds since 1970. */
  readonly started: number;
}

export const PART = 16 * MiB;
const MAKING = 4;

/** Makes all parts, some at once, and throws them away; returns their bytes. */
export async function madeParts({ library, source, options }: Taking): Promise<number> {
  await using output = await library.prepare(source, options);
  let bytes = 0;
  await eachOf(output.parts(PART), MAKING, async (part) => {
    const made = await part.read();
    bytes += made.length;
    part.release(made);
  });
  return bytes;
}

/** Seconds from the start of the process to the first byte that is given to the store. */
export async function firstByte({ library, source, options, started }: Taking): Promise<number> {
  await using output = await library.prepare(source, options);
  const stop = new AbortController();
  let first: number | undefined;
  const store = storeOf(async () => {
    first ??= performance.timeOrigin + performance.now();
    stop.abort();
    return '"first"';
  });
  try {
    await library.uploadParts(output, store, { partSize: PART, signal: stop.signal });
  } catch (error) {
    if (!(error instanceof library.CancelledError)) throw error;
  }
  if (first === undefined) throw new Error('the output has no part');
  return (first - started) / 1000;
}

const IN_FLIGHT = 8;
const SMALL_PART = MiB;
/** How long a part waits for seven others, in milliseconds: until all have been there once, and then, as the file ends. */
const FIRST_WAIT = 120_000;
const LATER_WAIT = 1000;

/** MiB by which the process grows from its first part on, with eight of them under way. */
export const peakMemory = (taking: Taking): Promise<number> => growth(taking, PART, IN_FLIGHT);

/** The same with one small part under way: what the threads and their memory have of it. */
export const peakOfThreads = (taking: Taking): Promise<number> => growth(taking, SMALL_PART, 1);

async function growth(
  { library, source, options }: Taking,
  partSize: number,
  inFlight: number,
): Promise<number> {
  await using output = await library.prepare(source, options);
  const base = restartPeak();
  let most = 0;
  const waiting = new Set<() => void>();
  // However slowly parts are made here: a store that takes the first one only when all are there.
  const store = storeOf(async (part) => {
    const { promise: letIn, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    most = Math.max(most, waiting.size);
    if (waiting.size === inFlight) for (const next of waiting) next();
    const inVain = setTimeout(resolve, most < inFlight ? FIRST_WAIT : LATER_WAIT);
    await letIn;
    clearTimeout(inVain);
    waiting.delete(resolve);
    return `"${part.number}"`;
  });
  await library.uploadParts(output, store, { partSize, concurrency: inFlight });
  if (most < inFlight) throw new Error(`only ${most} parts were under way at once: the disk is too small`);
  return Math.max(0, peak() - base) / MiB;
}

/** How many parts are other bytes when they are made again, the last one first. */
export async function differingParts({ library, source, options }: Taking): Promise<number> {
  await using output = await library.prepare(source, options);
  const made: { readonly part: Part; readonly digest: string }[] = [];
  const digestOf = async (part: Part): Promise<string> => {
    const bytes = await part.read();
    const digest = sha256(bytes);
    part.release(bytes);
    return digest;
  };
  for await (const part of output.parts(PART)) made.push({ part, digest: await digestOf(part) });
  let differing = 0;
  await eachOf(made.toReversed(), MAKING, async ({ part, digest }) => {
    const again = await digestOf(part);
    if (again !== digest) differing += 1;
  });
  return differing;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Calls `work` for each, for some at once. */
async function eachOf<T>(
  items: AsyncIterable<T> | Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const item of items) {
    const doing = work(item).finally(() => underWay.delete(doing));
    underWay.add(doing);
    if (underWay.size >= atOnce) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

/** A store that keeps nothing. */
function storeOf(putPart: (part: PartToPut) => Promise<string>): ObjectStore {
  return {
    target: 'bench://nothing',
    limits: { minPartSize: 64 * KiB, maxPartSize: 2 ** 30, maxParts: 100_000, maxObjectSize: 64 * TiB },
    start: async () => 'upload',
    putPart: (_, part) => putPart(part),
    listParts: async () => [],
    complete: async () => ({}),
    abort: async () => {},
  };
}

/** Forgets the largest resident set so far; returns what is resident now, in bytes. Linux only. */
function restartPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5');
  return peak();
}

/** The largest resident set, in bytes. */
function peak(): number {
  const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (found === undefined) throw new Error('this system does not tell how large a process was');
  return Number(found) * KiB;
}
