/** Results as tables, for the terminal and for Markdown. Pure. */

import { GiB, MiB } from '../../src/binary/align.ts';
import { type Case, type GroupName, groups } from '../convert/cases.ts';
import { type CaseFigures, type Figures, ratio, unflushedRatio, type Verdict, verdictOn } from './verdict.ts';

export interface Result {
  readonly case: Case;
  readonly figures: CaseFigures;
}

export type Table = readonly (readonly string[])[];

/** The groups that have results, in the order of their declaration. */
export const groupsIn = (results: readonly Result[]): GroupName[] =>
  (Object.keys(groups) as GroupName[]).filter((name) => results.some((result) => result.case.group === name));

const verdictTexts: Record<Verdict, string> = {
  met: 'yes',
  alike: 'like for like',
  missed: '**no**',
  none: '',
};

/** A row of titles, and a row for each result. */
export function tableOf(name: GroupName, results: readonly Result[]): Table {
  const { rivals } = groups[name];
  const titles = [
    'case',
    'diskimg s',
    `${rivals.default} s`,
    `${rivals.best} s`,
    's for a GiB',
    'ratio',
    'ratio flushed',
    'ratio unflushed',
    'CPU ratio',
    'peak MiB',
    'size',
    '±',
    'target',
    'met',
  ];
  return [titles, ...results.filter((result) => result.case.group === name).map(row)];
}

function row({ case: each, figures }: Result): string[] {
  const { ours, default: standard, best } = figures;
  return [
    each.name,
    seconds(ours),
    seconds(standard),
    seconds(best),
    each.dataBytes && ours ? (ours.seconds / (each.dataBytes / GiB)).toFixed(2) : '',
    ratios(figures, (of) => of.seconds),
    ratios(figures, (of) => of.flushedSeconds),
    pair(unflushedRatio(figures, 'default')?.toFixed(2), unflushedRatio(figures, 'best')?.toFixed(2)),
    ratios(figures, measurableCpu),
    pair(mebibytes(ours), mebibytes(best ?? standard)),
    sizeRatio(figures),
    `${(Math.max(...Object.values(figures).map((of) => of.spread / 2)) * 100).toFixed(0)} %`,
    targetText(each),
    verdictTexts[verdictOn(each, figures)],
  ];
}

/** What the columns mean; `measured` is what this machine can tell. */
export const legend = (measured: string): string[] => [
  `Medians. Measured: ${measured}.`,
  'Ratios are the other program ÷ diskimg, with its default flags | with its best: above 1 diskimg is better.',
  'diskimg flushes its output (fsync) before it exits; qemu-img and cp do not. "ratio" takes all as they are;',
  '"ratio flushed" adds an fsync of the output right behind each run, of every program, to its time;',
  '"ratio unflushed" takes diskimg with `-t unsafe`, which does not flush.',
  '"peak" is the largest resident set, diskimg | the other with its best flags.',
  '"size" is what the output takes up on the disk, diskimg ÷ the other.',
  '"±" is half the distance between the fastest and the slowest run, of the contender where it is largest.',
  'Targets are ratios that "ratio" has to reach, or the longest time that diskimg may take; "like for like" is a',
  'target that is reached in "ratio flushed" or "ratio unflushed" only. All sources were in the page cache.',
];

/** GNU time counts in steps of 10 ms: of less than this, no ratio can be told. */
const MIN_CPU_SECONDS = 0.1;

const measurableCpu = ({ cpuSeconds }: Figures): number | undefined =>
  cpuSeconds !== undefined && cpuSeconds >= MIN_CPU_SECONDS ? cpuSeconds : undefined;

const seconds = (figures: Figures | undefined): string => {
  if (figures === undefined) return '';
  return figures.seconds < 1 ? figures.seconds.toFixed(3) : figures.seconds.toFixed(2);
};

const ratios = (figures: CaseFigures, pick: (figures: Figures) => number | undefined): string =>
  pair(ratio(figures, 'default', pick)?.toFixed(2), ratio(figures, 'best', pick)?.toFixed(2));

const pair = (...values: (string | undefined)[]): string =>
  values.filter((value) => value !== undefined).join(' | ');

const mebibytes = (figures: Figures | undefined): string | undefined =>
  figures?.peakBytes === undefined ? undefined : (figures.peakBytes / MiB).toFixed(0);

function sizeRatio(figures: CaseFigures): string {
  const theirs = ratio(figures, 'default', (of) => of.storedBytes || undefined);
  return theirs === undefined ? '' : (1 / theirs).toFixed(3);
}

function targetText({ target, limit }: Case): string {
  if (limit !== undefined) return `≤ ${limit} s`;
  return target ? pair(target.default.toFixed(2), target.best?.toFixed(2)) : '';
}

/** Aligned columns, the first to the left; columns without content are left out. */
export function textTable(table: Table): string {
  const rows = withoutEmpty(table);
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join('  ');
  return rows.map((cells) => line(cells.map((cell) => cell.replaceAll('**', '')))).join('\n');
}

export function markdownTable(table: Table): string {
  const [titles = [], ...rows] = withoutEmpty(table);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = `| --- |${' ---: |'.repeat(titles.length - 1)}`;
  return [line(titles), rule, ...rows.map(line)].join('\n');
}

function withoutEmpty(table: Table): Table {
  const [, ...rows] = table;
  const isFull = (column: number): boolean => rows.some((cells) => cells[column] !== '');
  return table.map((cells) => cells.filter((_, column) => isFull(column)));
}
