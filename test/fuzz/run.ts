/**
 * Fuzzes every reader: `npm run fuzz -- --cases N --seed S --format F --seconds T --threads N`, or one case again with
 * `--case ID`, which is told with every find. Exits with 1 when there is a find.
 */

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type FormatName, formatNamed } from '../../src/formats/index.ts';
import { bytesOfCase, openSuite, runCase } from './case.ts';
import { type Find, findsOf, type Shift, type ShiftReport } from './shift.ts';

/** A case that takes longer hangs: seconds on the clock, and of the processor, which others may keep busy. */
const HANG = 10;
const WATCH_EVERY = 500;
const TELL_EVERY = 30_000;
/** Finds that are told in full. */
const MAX_TOLD = 50;

const { values } = parseArgs({
  options: {
    cases: { type: 'string' },
    seed: { type: 'string', default: '1' },
    format: { type: 'string' },
    seconds: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    case: { type: 'string' },
    save: { type: 'string' },
  },
});

const format: FormatName | undefined =
  values.format === undefined ? undefined : formatNamed(values.format).name;
const seed = Number(values.seed);

/** Seed, number, and the format if only one is fuzzed. */
const idOf = (index: number): string => [seed, index, ...(format ? [format] : [])].join('-');

if (values.case !== undefined) process.exitCode = (await again(values.case)) ? 1 : 0;
else process.exitCode = (await fuzz()) ? 1 : 0;

/** Runs one case and tells all of it. True when it is a find. */
async function again(id: string): Promise<boolean> {
  const [ownSeed, index, ownFormat] = id.split('-');
  const suite = await openSuite(
    Number(ownSeed),
    ownFormat === undefined ? undefined : formatNamed(ownFormat).name,
  );
  if (values.save) writeFileSync(values.save, await bytesOfCase(suite, Number(index)));
  const result = await runCase(suite, Number(index));
  const finds = findsOf(Number(index), result);
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  for (const { kind, text } of finds) process.stdout.write(`${kind}: ${text}\n`);
  return finds.length > 0;
}

/** Runs all cases. True when there is a find. */
async function fuzz(): Promise<boolean> {
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  const cases = Number(values.cases ?? (seconds === undefined ? 10_000 : 2 ** 31 - 1));
  const threads = Math.min(Number(values.threads), cases);
  const outcomes = new Map<string, number>();
  const finds: Find[] = [];
  const start = performance.now();
  const total = (): number => [...outcomes.values()].reduce((sum, count) => sum + count, 0);

  const found = (find: Find): void => {
    finds.push(find);
    if (finds.length > MAX_TOLD) return;
    const { kind, index, text, specimen, mutations = [] } = find;
    process.stdout.write(`${kind} in ${idOf(index)} (--case ${idOf(index)}): ${specimen ?? ''}\n`);
    process.stdout.write(`  ${mutations.join('; ')}\n  ${text.split('\n').slice(0, 6).join('\n  ')}\n`);
  };
  const tell = (): void => {
    const rate = Math.round(total() / ((performance.now() - start) / 1000));
    process.stdout.write(`${total()} cases, ${finds.length} finds, ${rate} cases/s\n`);
  };
  const teller = setInterval(tell, TELL_EVERY);

  /** Works one thread's cases off, in a new thread behind every one that hung or died. */
  async function work(first: number): Promise<void> {
    for (let next: number | undefined = first; next !== undefined && next < cases; ) {
      next = await shift(next);
    }
  }

  /** Returns where to go on, or undefined at the end. */
  function shift(first: number): Promise<number | undefined> {
    const progress = new Int32Array(new SharedArrayBuffer(4)).fill(first);
    const shift: Shift = { seed, format, first, step: threads, end: cases, progress };
    const worker = new Worker(new URL('shift.ts', import.meta.url), {
      workerData: shift,
      resourceLimits: { maxOldGenerationSizeMb: 1024 },
    });
    return new Promise((resolve) => {
      let seen = { index: -1, at: performance.now(), cpu: process.cpuUsage() };
      const finish = (next: number | undefined, find?: Find): void => {
        clearInterval(watch);
        if (find) found(find);
        resolve(next);
      };
      const watch = setInterval(async () => {
        if (seconds !== undefined && performance.now() - start > seconds * 1000) {
          finish(undefined);
          await worker.terminate();
          return;
        }
        const index = Atomics.load(progress, 0);
        if (index !== seen.index) {
          seen = { index, at: performance.now(), cpu: process.cpuUsage() };
          return;
        }
        const { user, system } = process.cpuUsage(seen.cpu);
        const hangs = performance.now() - seen.at > HANG * 1000 && user + system > HANG * threads * 1e6;
        if (!hangs) return;
        finish(index + threads, { index, kind: 'hang', text: `more than ${HANG} s` });
        await worker.terminate();
      }, WATCH_EVERY);
      worker.on('message', (report: ShiftReport) => {
        for (const [outcome, count] of Object.entries(report.outcomes)) {
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
        }
        report.finds.forEach(found);
      });
      worker.on('error', (error) => {
        const index = Atomics.load(progress, 0);
        const kind = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'over-budget' : 'crash';
        finish(index + threads, { index, kind, text: error.stack ?? error.message });
      });
      worker.on('exit', (code) => finish(code === 0 ? undefined : Atomics.load(progress, 0) + threads));
    });
  }

  await Promise.all(Array.from({ length: threads }, (_, first) => work(first)));
  clearInterval(teller);
  tell();
  const sorted = [...outcomes].sort((a, b) => b[1] - a[1]);
  for (const [outcome, count] of sorted) process.stdout.write(`  ${outcome.padEnd(22)} ${count}\n`);
  for (const kind of ['crash', 'law', 'hang', 'slow', 'over-budget']) {
    const count = finds.filter((find) => find.kind === kind).length;
    process.stdout.write(`  finds: ${kind.padEnd(15)} ${count}\n`);
  }
  return finds.length > 0;
}
