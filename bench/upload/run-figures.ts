/** Takes figures, each in a process of its own, one round after the other. */

import { spawn } from 'node:child_process';
import { corpusFilesIn } from '../convert/command.ts';
import { warmUp } from '../convert/file-data.ts';
import { type Bench, wordsOf } from '../convert/run-case.ts';
import type { FigureCase } from './cases.ts';

export interface FigureRuns {
  readonly case: FigureCase;
  readonly values: readonly number[];
}

/** A case that fails is told of, and has no result. */
export async function runFigures(
  bench: Bench,
  cases: readonly FigureCase[],
  count: number,
  onFailure: (name: string, error: Error) => void,
): Promise<readonly FigureRuns[]> {
  const values = new Map<FigureCase, number[]>(cases.map((each) => [each, []]));
  for (let round = 0; round < count; round++) {
    for (const [each, taken] of [...values]) {
      if (round >= (each.maxRuns ?? count)) continue;
      try {
        taken.push(await takeFigure(bench, each));
        bench.say(`${each.name}: ${round + 1}/${count}: ${taken.at(-1)?.toFixed(3)} ${each.unit}`);
      } catch (error) {
        values.delete(each);
        onFailure(each.name, error as Error);
      }
    }
  }
  return [...values].map(([each, taken]) => ({ case: each, values: taken }));
}

async function takeFigure(bench: Bench, { command }: FigureCase): Promise<number> {
  for (const name of corpusFilesIn(command)) await warmUp((await bench.corpus.file(name, bench.say)).path);
  const [program = '', ...args] = wordsOf(bench, command);
  const started = performance.timeOrigin + performance.now();
  const child = spawn(program, [...args, '--started', String(started)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`exit code ${code}: ${command}\n${err}`);
  return (JSON.parse(out) as { value: number }).value;
}
