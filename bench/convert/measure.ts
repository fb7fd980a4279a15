/**
 * Runs one process and measures it. GNU time gives CPU and memory of the process and those it waits for; without
 * it Linux tells the peak of the process itself, and elsewhere there is only the wall clock.
 */

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { KiB } from '../../src/binary/align.ts';

export interface Usage {
  readonly wallSeconds: number;
  /** User and system time together. */
  readonly cpuSeconds?: number;
  /** Largest resident set of any process, in bytes. */
  readonly peakBytes?: number;
}

const GNU_TIME = '/usr/bin/time';
const hasGnuTime = spawnSync(GNU_TIME, ['-f', '%U', 'true']).status === 0;

/** What of {@link Usage} this machine can tell. */
export const measures = hasGnuTime
  ? 'wall clock; CPU and peak memory by GNU time'
  : platform() === 'linux'
    ? 'wall clock; peak memory by /proc; no CPU, as GNU time is missing'
    : 'wall clock only';

/** Runs `words` to their end. @param notes a file for GNU time to write to. @throws Error when it fails */
export async function runMeasured(words: readonly string[], notes: string): Promise<Usage> {
  const timed = hasGnuTime ? [GNU_TIME, '-q', '-f', '%U %S %M', '-o', notes, ...words] : words;
  const [program, ...args] = timed as [string, ...string[]];
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const watch = hasGnuTime ? undefined : watchPeak(child.pid);
  const end = await new Promise<{ time: number; code: number | null }>((resolve, reject) => {
    child.on('error', reject);
    let time = 0;
    let code: number | null = null;
    child.on('exit', (exitCode) => {
      time = performance.now();
      code = exitCode;
    });
    child.on('close', () => resolve({ time, code }));
  });
  const peak = watch?.();
  if (end.code !== 0) throw new Error(`exit code ${end.code}: ${words.join(' ')}\n${stderr}`);
  const wallSeconds = (end.time - start) / 1000;
  if (!hasGnuTime) return { wallSeconds, ...(peak && { peakBytes: peak }) };
  const [user = 0, system = 0, peakKiB = 0] = readFileSync(notes, 'utf8').trim().split(' ').map(Number);
  return { wallSeconds, cpuSeconds: user + system, peakBytes: peakKiB * KiB };
}

/** Looks at the process's high-water mark until it is gone; the returned function stops and tells it. */
function watchPeak(pid: number | undefined): () => number | undefined {
  let peak: number | undefined;
  const look = () => {
    try {
      const found = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+) kB/m);
      if (found) peak = Number(found[1]) * KiB;
    } catch {
      // The process is gone, or this platform has no /proc.
    }
  };
  const timer = setInterval(look, 10);
  return () => {
    clearInterval(timer);
    return peak;
  };
}
