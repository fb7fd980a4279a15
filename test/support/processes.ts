/** Other processes: the command line, and scripts of tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { bundled } from './bundle.ts';

/** The command line. */
export const bin = fileURLToPath(bundled.bin);

export interface Exit {
  readonly code: number | null;
  /** The signal that ended the process, if one did. */
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has printed to its error stream so far. */
  errSoFar(): string;
  readonly ended: Promise<Exit>;
}

const running = new Set<ChildProcess>();

/** A test that ran out of time leaves none behind. */
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

export function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', ...env },
  });
  running.add(child);
  child.on('exit', () => running.delete(child));
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  return { child, errSoFar: () => err, ended };
}

/** Starts the command line. */
export const startDiskimg = (argv: readonly string[]): Started => start(process.execPath, [bin, ...argv]);

/** Looks every other millisecond; false when `isOver` first. */
export async function until(isSo: () => boolean, isOver: () => boolean): Promise<boolean> {
  while (!isSo()) {
    if (isOver()) return false;
    await pause(2);
  }
  return true;
}

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
