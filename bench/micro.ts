/** Runs the micro-benchmarks, `*.bench.ts` in the folders beside: one process each, one after the other. */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Returns how many of them failed. */
export function runMicroBenchmarks(only: RegExp | undefined): number {
  const folder = import.meta.dirname;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.bench.ts') && (only?.test(file) ?? true))
    .sort();
  let failed = 0;
  for (const file of files) {
    console.log(`\n${file}`);
    const { status } = spawnSync(process.execPath, [join(folder, file)], { stdio: 'inherit' });
    if (status !== 0) failed += 1;
  }
  return failed;
}
