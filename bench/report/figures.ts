/** Figures of single numbers, as a table. Pure. */

import { median, spread } from '../statistics.ts';
import type { FigureRuns } from '../upload/run-figures.ts';
import type { Table } from './table.ts';

export const isMet = ({ case: { most }, values }: FigureRuns): boolean | undefined =>
  most === undefined ? undefined : median(values) <= most;

export function figureTable(results: readonly FigureRuns[]): Table {
  const rows = results.map((result) => {
    const { name, unit, most } = result.case;
    const met = isMet(result);
    return [
      name,
      textOf(median(result.values), unit),
      result.values.length > 1 && median(result.values) > 0
        ? `${((spread(result.values) / 2) * 100).toFixed(0)} %`
        : '',
      most === undefined ? '' : `≤ ${most} ${unit}`,
      met === undefined ? '' : met ? 'yes' : '**no**',
    ];
  });
  return [['figure', 'measured', '±', 'target', 'met'], ...rows];
}

const textOf = (value: number, unit: string): string =>
  unit === 's' ? `${value.toFixed(value < 1 ? 3 : 2)} s` : `${value.toFixed(0)} ${unit}`;

/** What misses its target, a line each. */
export const missedFigures = (results: readonly FigureRuns[]): string[] =>
  results
    .filter((result) => isMet(result) === false)
    .map(({ case: { name, unit, most }, values }) => {
      const measured = textOf(median(values), unit);
      return `- **${name}**: ${measured}, at most ${most} ${unit} wanted.`;
    });
