/** What one rule comes to for one image, and the words for it. */

import { GiB } from '../binary/align.ts';

export interface Judgement {
  /** `broken` is as bad as the rule says; `doubtful`: nobody can tell, but the user should know; `unseen`: it was not looked at. */
  readonly outcome: 'kept' | 'broken' | 'doubtful' | 'unseen';
  /** What the rule asks for. */
  readonly wanted: string;
  /** What the image has. */
  readonly seen?: string;
  /** Why; a sentence. */
  readonly reason?: string;
  /** A command that puts it right. */
  readonly fix?: string;
  /** What to do where no command helps; a sentence. */
  readonly advice?: string;
}

type Details = Omit<Judgement, 'outcome' | 'wanted' | 'seen'>;

export const kept = (wanted: string, seen: string): Judgement => ({ outcome: 'kept', wanted, seen });
export const broken = (wanted: string, seen: string, details: Details): Judgement => ({
  outcome: 'broken',
  wanted,
  seen,
  ...details,
});
export const doubtful = (wanted: string, seen: string, details: Details): Judgement => ({
  outcome: 'doubtful',
  wanted,
  seen,
  ...details,
});
export const unseen = (wanted: string, reason: string): Judgement => ({ outcome: 'unseen', wanted, reason });

/** A size as people say it, exactly: `40 GiB`, `1.5 GiB`, `2 GiB and 507904 bytes`, `1000 bytes`. */
export function exactSize(bytes: number): string {
  const units = [
    ['TiB', 1024 * GiB],
    ['GiB', GiB],
    ['MiB', 1024 ** 2],
  ] as const;
  for (const [name, unit] of units) {
    if (bytes < unit) continue;
    const whole = Math.floor(bytes / unit);
    const rest = bytes - whole * unit;
    if (rest === 0) return `${whole} ${name}`;
    // Whole MiB read better in MiB.
    if (rest % 1024 ** 2 === 0 && unit > 1024 ** 2) continue;
    return `${whole} ${name} and ${rest} bytes`;
  }
  return `${bytes} bytes`;
}

/** `a, b or c`. */
export function listed(words: readonly string[], last = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}

export const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
