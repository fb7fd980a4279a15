/** Times small pieces of code: one line with the median of several samples for each. */

import { median, spread } from './statistics.ts';

const SAMPLES = 7;
/** A sample repeats the code for this long, so that the clock and the scheduler do not matter. */
const SAMPLE_MS = 80;
/** The compiler needs about this long to settle. */
const WARM_UP_MS = 150;

/** What one call of the measured code gets done, e.g. `{ amount: 64 * 1024, unit: 'B' }`. */
export interface Work {
  readonly amount: number;
  /** `B` is printed as MB/s, anything else as <unit>/s. */
  readonly unit: string;
}

/** Measures `run` and prints one line. */
export async function measure(name: string, work: Work, run: () => unknown): Promise<void> {
  const calls = Math.max(1, Math.ceil((await callsWithin(WARM_UP_MS, run)) * (SAMPLE_MS / WARM_UP_MS)));
  const rates: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const start = performance.now();
    for (let call = 0; call < calls; call++) await run();
    rates.push((calls * work.amount * 1000) / (performance.now() - start));
  }
  console.log(`${name.padEnd(58)} ${rateText(median(rates), work.unit)}  ±${percent(spread(rates) / 2)}`);
}

async function callsWithin(milliseconds: number, run: () => unknown): Promise<number> {
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < milliseconds) {
    await run();
    calls += 1;
  }
  return calls;
}

function rateText(perSecond: number, unit: string): string {
  const [value, text] = unit === 'B' ? [perSecond / 1e6, 'MB/s'] : [perSecond, `${unit}/s`];
  return `${Math.round(value).toLocaleString('en').padStart(14)} ${text.padEnd(10)}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
