/** The command line of the benchmarks. */

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const usage = `npm run bench -- [options]

  --quick         a smaller corpus, 2 runs of each case, and fewer cases; takes less than 3 minutes
  --tiny          a corpus of a few MB and 1 run: tries the benchmark itself, its figures say nothing
  --only PATTERN  only cases (with --micro: files) that match the regular expression
  --runs N        runs of each case; 5 by default
  --list          list the cases and what they run
  --out FILE      write the results into the generated parts of a Markdown file
  --corpus DIR    where the corpus is kept; .bench by default. The full one takes 20 GiB with the outputs
  --cli FILE      measure this bin.cjs, built before, instead of building the one of this checkout
  --micro         run the micro-benchmarks instead of the conversions
`;

export type Scale = 'full' | 'quick' | 'tiny';

export interface BenchOptions {
  readonly scale: Scale;
  readonly only: RegExp | undefined;
  readonly runs: number;
  readonly mode: 'run' | 'list' | 'micro' | 'help';
  readonly out: string | undefined;
  readonly corpus: string;
  readonly cli: string | undefined;
}

const defaultRuns: Record<Scale, number> = { full: 5, quick: 2, tiny: 1 };

/** @throws TypeError for what it does not know. @param root folder of the repository */
export function parseOptions(args: readonly string[], root: string): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      tiny: { type: 'boolean', default: false },
      only: { type: 'string' },
      runs: { type: 'string' },
      list: { type: 'boolean', default: false },
      out: { type: 'string' },
      corpus: { type: 'string', default: resolve(root, '.bench') },
      cli: { type: 'string' },
      micro: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const scale: Scale = values.tiny ? 'tiny' : values.quick ? 'quick' : 'full';
  const runs = values.runs === undefined ? defaultRuns[scale] : Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1)
    throw new TypeError(`--runs ${values.runs} is not a number of runs`);
  return {
    scale,
    runs,
    only: values.only === undefined ? undefined : new RegExp(values.only, 'i'),
    mode: values.help ? 'help' : values.list ? 'list' : values.micro ? 'micro' : 'run',
    out: values.out === undefined ? undefined : resolve(values.out),
    corpus: resolve(values.corpus),
    cli: values.cli === undefined ? undefined : resolve(values.cli),
  };
}
