/** Converts in a process whose threads crash, and prints what came of it as JSON. Arguments: source, folder, crashes. */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ConvertOptions } from '../../src/index.ts';
import { bundledLibrary } from './bundle.ts';
import { liveThreads, openFiles } from './faults.ts';

export interface CrashOutcome {
  readonly crash: string;
  readonly format: string;
  /** Of the error; `none` without one. */
  readonly code: string;
  readonly message: string;
  readonly took: number;
  readonly left: readonly string[];
}

export interface CrashReport {
  readonly outcomes: readonly CrashOutcome[];
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly threadsBefore: number;
  readonly threadsAfter: number;
  /** Is the conversion that follows them all as it should be? */
  readonly isWholeAfterwards: boolean;
}

const { convert, ImageError } = await bundledLibrary();
const [source = '', folder = '', ...crashes] = process.argv.slice(2);
const output = join(folder, 'output');

async function attempt(crash: string, format: string): Promise<CrashOutcome> {
  process.env.CRASH = crash;
  const begun = performance.now();
  const options = { format, threads: 2, input: { format: 'raw' } } as ConvertOptions;
  const error: unknown = await convert(source, output, options).then(
    () => undefined,
    (thrown) => thrown,
  );
  process.env.CRASH = '';
  return {
    crash,
    format,
    code: error === undefined ? 'none' : error instanceof ImageError ? error.code : 'not an ImageError',
    message: error instanceof Error ? error.message : '',
    took: performance.now() - begun,
    left: readdirSync(folder),
  };
}

/** Also starts what a process starts once. */
const isWhole = async (): Promise<boolean> => {
  await convert(source, output, { format: 'raw', threads: 2, input: { format: 'raw' } });
  const is = readFileSync(output).equals(readFileSync(source));
  rmSync(output);
  return is;
};

await isWhole();
const filesBefore = openFiles();
const threadsBefore = liveThreads();
const outcomes: CrashOutcome[] = [];
for (const crash of crashes) {
  for (const format of ['raw', 'zvhd2']) outcomes.push(await attempt(crash, format));
}
const isWholeAfterwards = await isWhole();
const report: CrashReport = {
  outcomes,
  filesBefore,
  filesAfter: openFiles(),
  threadsBefore,
  threadsAfter: liveThreads(),
  isWholeAfterwards,
};
process.stdout.write(JSON.stringify(report));
