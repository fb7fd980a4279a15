/** Thread entry: runs cases one after the other, and says before each which it is, so that a hang can be told. */

import { parentPort, workerData } from 'node:worker_threads';
import type { FormatName } from '../../src/formats/index.ts';
import { BUDGET, type CaseResult, openSuite, runCase, SLOW } from './case.ts';

/** The cases of one thread: every `step`th from `first` on. */
export interface Shift {
  readonly seed: number;
  readonly format: FormatName | undefined;
  readonly first: number;
  readonly step: number;
  readonly end: number;
  /** Shared: the case that runs, and how many have run. */
  readonly progress: Int32Array;
}

export interface Find {
  readonly index: number;
  readonly kind: 'crash' | 'law' | 'slow' | 'over-budget' | 'hang';
  readonly text: string;
  readonly specimen?: string;
  readonly mutations?: readonly string[];
}

/** What a thread reports: counts since the last report, and finds. */
export interface ShiftReport {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly finds: readonly Find[];
}

/** Cases between two reports. */
const REPORT_EVERY = 500;

export function findsOf(index: number, result: CaseResult): Find[] {
  const { specimen, mutations, cpuTime, memory } = result;
  const find = (kind: Find['kind'], text: string): Find => ({ index, kind, text, specimen, mutations });
  const finds = result.finds.map((text) => find(/^[a-z, ]+: law: /.test(text) ? 'law' : 'crash', text));
  if (cpuTime > SLOW) finds.push(find('slow', `${Math.round(cpuTime)} ms`));
  if (memory > BUDGET) finds.push(find('over-budget', `${Math.round(memory / 2 ** 20)} MiB`));
  return finds;
}

async function run({ seed, format, first, step, end, progress }: Shift): Promise<void> {
  const suite = await openSuite(seed, format);
  let outcomes: Record<string, number> = {};
  let finds: Find[] = [];
  const report = (): void => {
    parentPort?.postMessage({ outcomes, finds } satisfies ShiftReport);
    outcomes = {};
    finds = [];
  };
  for (let index = first, count = 1; index < end; index += step, count++) {
    Atomics.store(progress, 0, index);
    const result = await runCase(suite, index);
    outcomes[result.outcome] = (outcomes[result.outcome] ?? 0) + 1;
    finds.push(...findsOf(index, result));
    if (count % REPORT_EVERY === 0) report();
  }
  report();
}

if (workerData) await run(workerData as Shift);
