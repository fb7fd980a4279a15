/**
 * Runs a case: our command and those of the others take turns, each in a process of its own, each from the same
 * start: sources in the page cache, earlier outputs deleted, nothing left to write back, and free memory that the
 * machine really has: a virtual machine gives free pages back to its host, and who needs them next waits for them.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { GiB, MiB } from '../../src/binary/align.ts';
import type { Case } from './cases.ts';
import { commandWords, corpusFilesIn, isOutput, OVER_HTTP, type Programs } from './command.ts';
import type { Corpus } from './corpus.ts';
import { warmUp } from './file-data.ts';
import { runMeasured, type Usage } from './measure.ts';
import { requireSameDisk } from './same-disk.ts';

/** One run, of one command or of several in a row. */
export interface Run extends Usage {
  /** What flushing the output took after the run. Close to nothing where the program has done so itself. */
  readonly flushSeconds: number;
  /** What the output takes up on the disk. */
  readonly storedBytes?: number;
}

/** `ours` and `unflushed` are us, the others the keys of a case's `theirs`. */
export type Contender = 'ours' | 'unflushed' | 'default' | 'best';

export type CaseRuns = Partial<Record<Contender, readonly Run[]>>;

export interface Bench {
  readonly corpus: Corpus;
  readonly programs: Programs;
  /** Where a file of the corpus is on the web. @throws Error when no server was started */
  addressOf(name: string): string;
  say(text: string): void;
}

export async function runCase(bench: Bench, each: Case, count: number): Promise<CaseRuns> {
  const { corpus, say } = bench;
  const contenders = commandsOf(each);
  for (const name of sourcesOf(contenders)) await corpus.file(name, say);
  const runs: Record<string, Run[]> = {};
  for (let round = 0; round < Math.min(count, each.maxRuns ?? count); round++) {
    for (const [contender, commands] of Object.entries(contenders)) {
      const run = await runOnce(bench, commands, each.passingFailure);
      runs[contender] = [...(runs[contender] ?? []), run];
      const flush = `${run.wallSeconds.toFixed(2)} s, flush ${run.flushSeconds.toFixed(2)} s`;
      say(`${each.name}: ${contender} ${round + 1}/${count}: ${flush}`);
      if (contender === 'ours' && round === 0 && each.expect) {
        const disk = await corpus.file(each.expect.disk, say);
        requireSameDisk(bench.programs, disk.path, fileIn(corpus, 'out'), each.expect.format);
      }
    }
  }
  removeOutputs(corpus);
  return runs;
}

/** The commands of each contender, in the order in which they take turns. */
export function commandsOf({ ours, unflushed, theirs }: Case): Partial<Record<Contender, readonly string[]>> {
  return {
    ours: [ours],
    ...(unflushed && { unflushed: [unflushed] }),
    ...(theirs && { default: theirs.default }),
    ...(theirs?.best && { best: theirs.best }),
  };
}

const sourcesOf = (contenders: Partial<Record<Contender, readonly string[]>>): string[] => [
  ...new Set(Object.values(contenders).flat().flatMap(corpusFilesIn)),
];

const fileIn = ({ folder }: Corpus, name: string): string =>
  isOutput(name) ? join(folder, 'outputs', name) : join(folder, name);

/** The words of a command, with its files and addresses. */
export const wordsOf = ({ corpus, programs, addressOf }: Bench, command: string): readonly string[] =>
  commandWords(command, programs, (name) =>
    name.startsWith(OVER_HTTP) ? addressOf(name.slice(OVER_HTTP.length)) : fileIn(corpus, name),
  );

async function runOnce(
  bench: Bench,
  commands: readonly string[],
  passingFailure: string | undefined,
): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOnce(bench, commands);
    } catch (error) {
      const passes = passingFailure !== undefined && (error as Error).message.includes(passingFailure);
      if (!passes || attempt === MAX_ATTEMPTS) throw error;
      bench.say(`again, for it said: ${passingFailure}`);
    }
  }
}

const MAX_ATTEMPTS = 5;

async function attemptOnce(bench: Bench, commands: readonly string[]): Promise<Run> {
  const { corpus } = bench;
  removeOutputs(corpus);
  settle(corpus.folder);
  const paths = [...new Set(commands.flatMap(corpusFilesIn))].map((name) => fileIn(corpus, name));
  for (const path of paths) await warmUp(path);
  warmMemory(corpus, paths);
  const usages: Usage[] = [];
  for (const command of commands) {
    usages.push(await runMeasured(wordsOf(bench, command), fileIn(corpus, 'usage.txt')));
  }
  const output = fileIn(corpus, 'out');
  const isWritten = existsSync(output);
  const flushSeconds = isWritten ? flush(output) : 0;
  return { ...total(usages), flushSeconds, ...(isWritten && { storedBytes: statSync(output).blocks * 512 }) };
}

/** Most outputs are not larger than this, times the size of their sources. */
const WARM_FACTOR = 3;
const MAX_WARM = 2.5 * GiB;

/** Fills the page cache with as much as the output may need, and empties it again. */
function warmMemory({ folder }: Corpus, sources: readonly string[]): void {
  const sourceBytes = sources.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
  const path = join(folder, 'outputs', 'warm');
  const fd = openSync(path, 'w');
  try {
    for (let left = Math.min(sourceBytes * WARM_FACTOR, MAX_WARM); left > 0; left -= WARM_CHUNK.length)
      writeSync(fd, WARM_CHUNK);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

const WARM_CHUNK = new Uint8Array(4 * MiB).fill(1);

/** Of commands in a row: their times together, the peak of the largest. */
function total(usages: readonly Usage[]): Usage {
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const cpu = usages.flatMap(({ cpuSeconds }) => cpuSeconds ?? []);
  const peaks = usages.flatMap(({ peakBytes }) => peakBytes ?? []);
  return {
    wallSeconds: sum(usages.map(({ wallSeconds }) => wallSeconds)),
    ...(cpu.length > 0 && { cpuSeconds: sum(cpu) }),
    ...(peaks.length > 0 && { peakBytes: Math.max(...peaks) }),
  };
}

/** Flushes a file as `sync FILE` does; returns the seconds that it took. */
function flush(path: string): number {
  const start = performance.now();
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return (performance.now() - start) / 1000;
}

function removeOutputs(corpus: Corpus): void {
  const folder = join(corpus.folder, 'outputs');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
}

/** Waits until what earlier runs wrote, and deleted, is on the disk: no run pays for the one before. */
function settle(folder: string): void {
  if (platform() === 'win32') return;
  const isDone = platform() === 'linux' && spawnSync('sync', ['-f', folder]).status === 0;
  if (!isDone) spawnSync('sync');
}
