/** Progress for people (a line that is drawn over) and for programs (one JSON object a line). */

import { Option } from 'commander';
import type { ReadingProgress } from '../index.ts';
import type { CliIo } from './io.ts';
import { humanSize } from './render.ts';
import { errorEvent } from './render-error.ts';

const SECOND = 1000;

/** A bar with share, rate and time left, at most `columns` characters. */
export function progressLine(progress: ReadingProgress, elapsed: number, columns: number): string {
  const { doneBytes, totalBytes } = progress;
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const rate = elapsed > 0 ? doneBytes / (elapsed / SECOND) : 0;
  const left = rate > 0 ? (totalBytes - doneBytes) / rate : 0;
  const text = ` ${(share * 100).toFixed(0).padStart(3)} %  ${humanSize(rate)}/s  ${duration(left)} left`;
  const width = Math.max(0, Math.min(40, columns - text.length - 3));
  const filled = Math.round(share * width);
  const bar = width < 5 ? '' : `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`;
  return `${bar}${text}`.slice(0, Math.max(0, columns - 1));
}

/** `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** How a command shows its progress. */
export interface ProgressView {
  update(progress: ReadingProgress): void;
  /** Clears what was drawn. */
  end(): void;
}

/** Draws a line over and over, some times a second. `now` is a clock in milliseconds. */
export function barView(err: (text: string) => void, columns: number, now: () => number): ProgressView {
  const start = now();
  let drawn = Number.NEGATIVE_INFINITY;
  let isShown = false;
  return {
    update(progress) {
      if (now() - drawn < 100) return;
      drawn = now();
      isShown = true;
      err(`\r\x1b[K${progressLine(progress, drawn - start, columns)}`);
    },
    end() {
      if (isShown) err('\r\x1b[K');
    },
  };
}

/** Prints a line for every tenth: what `-p` gives where there is no terminal. */
export function linesView(err: (text: string) => void): ProgressView {
  let tenths = 0;
  return {
    update({ doneBytes, totalBytes }) {
      const reached = totalBytes === 0 ? 10 : Math.floor((doneBytes / totalBytes) * 10);
      if (reached <= tenths) return;
      tenths = reached;
      err(`${tenths * 10} %\n`);
    },
    end() {},
  };
}

/** One JSON object a line, some times a second, and always the last one. */
export function jsonView(err: (text: string) => void, now: () => number): ProgressView {
  const start = now();
  let printed = Number.NEGATIVE_INFINITY;
  return {
    update(progress) {
      const isLast = progress.doneBytes === progress.totalBytes;
      if (!isLast && now() - printed < 200) return;
      printed = now();
      err(`${JSON.stringify({ event: 'progress', ...progress, elapsedMs: Math.round(printed - start) })}\n`);
    },
    end() {},
  };
}

export const silentView: ProgressView = { update() {}, end() {} };

/** How the user wants it. */
export interface ProgressFlags {
  readonly bar?: true;
  readonly quiet?: true;
  readonly progress?: 'json';
}

export const barFlag = (): Option => new Option('-p, --bar', 'show progress also where there is no terminal');

export const progressFlag = (): Option =>
  new Option('--progress <kind>', 'events as JSON lines on stderr').choices(['json']);

function progressView(flags: ProgressFlags, { err, isTerminal, columns }: CliIo): ProgressView {
  if (flags.progress === 'json') return jsonView(err, Date.now);
  if (flags.quiet) return silentView;
  if (isTerminal) return barView(err, columns, Date.now);
  return flags.bar ? linesView(err) : silentView;
}

/** Does the work and shows its progress; how it ends is an event too. */
export async function withProgress<Report extends object>(
  flags: ProgressFlags,
  io: CliIo,
  work: (onProgress: ProgressView['update']) => Promise<Report>,
): Promise<Report> {
  const view = progressView(flags, io);
  const tell = (event: object): void => {
    if (flags.progress === 'json') io.err(`${JSON.stringify(event)}\n`);
  };
  try {
    const report = await work(view.update);
    view.end();
    tell({ event: 'done', ...report });
    return report;
  } catch (error) {
    view.end();
    tell(errorEvent(error));
    throw error;
  }
}
