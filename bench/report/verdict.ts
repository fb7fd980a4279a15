/** Figures out of runs, and whether they are what we want. Pure. */

import type { Case } from '../convert/cases.ts';
import type { CaseRuns, Contender, Run } from '../convert/run-case.ts';
import { median, spread } from '../statistics.ts';

/** Medians over the runs of one contender. */
export interface Figures {
  readonly seconds: number;
  /** With a flush of the output behind it. */
  readonly flushedSeconds: number;
  readonly cpuSeconds: number | undefined;
  readonly peakBytes: number | undefined;
  readonly storedBytes: number | undefined;
  /** How far the runs lie apart, as a share of the median. */
  readonly spread: number;
}

export type CaseFigures = Partial<Record<Contender, Figures>>;

export function figuresOf(runs: CaseRuns): CaseFigures {
  const entries = Object.entries(runs).map(([contender, list]) => [contender, figures(list)] as const);
  return Object.fromEntries(entries);
}

function figures(runs: readonly Run[]): Figures {
  const middle = (pick: (run: Run) => number | undefined): number | undefined => {
    const values = runs.flatMap((run) => pick(run) ?? []);
    return values.length > 0 ? median(values) : undefined;
  };
  return {
    seconds: median(runs.map(({ wallSeconds }) => wallSeconds)),
    flushedSeconds: median(runs.map(({ wallSeconds, flushSeconds }) => wallSeconds + flushSeconds)),
    cpuSeconds: middle(({ cpuSeconds }) => cpuSeconds),
    peakBytes: middle(({ peakBytes }) => peakBytes),
    storedBytes: middle(({ storedBytes }) => storedBytes),
    spread: spread(runs.map(({ wallSeconds }) => wallSeconds)),
  };
}

/** How many times more of something the others take: above 1 is good for us. */
export function ratio(
  figures: CaseFigures,
  rival: 'default' | 'best',
  pick: (figures: Figures) => number | undefined,
): number | undefined {
  const ours = figures.ours && pick(figures.ours);
  const theirs = figures[rival] && pick(figures[rival]);
  return ours === undefined || theirs === undefined ? undefined : theirs / ours;
}

/** How many times longer the others take when we do not flush either. */
export const unflushedRatio = (
  { unflushed, ...others }: CaseFigures,
  rival: 'default' | 'best',
): number | undefined => unflushed && ratio({ ...others, ours: unflushed }, rival, ({ seconds }) => seconds);

/**
 * `alike`: the target is missed as things are, but met when the others flush their output as we do, or when we do not
 * either. It counts as a loss, because users do not see why.
 */
export type Verdict = 'met' | 'alike' | 'missed' | 'none';

export function verdictOn({ target, limit }: Case, figures: CaseFigures): Verdict {
  if (limit !== undefined) return (figures.ours?.seconds ?? Infinity) <= limit ? 'met' : 'missed';
  if (target === undefined) return 'none';
  const reaches = (ratioTo: (rival: 'default' | 'best') => number | undefined): boolean =>
    (ratioTo('default') ?? 0) >= target.default &&
    (target.best === undefined || (ratioTo('best') ?? 0) >= target.best);
  if (reaches((rival) => ratio(figures, rival, ({ seconds }) => seconds))) return 'met';
  const isMetAlike =
    reaches((rival) => ratio(figures, rival, ({ flushedSeconds }) => flushedSeconds)) ||
    reaches((rival) => unflushedRatio(figures, rival));
  return isMetAlike ? 'alike' : 'missed';
}
