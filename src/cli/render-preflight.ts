/** What a cloud will say of an image, for people: problems first, then what was not checked, passes in a line. Pure. */

import type { PreflightReport, RuleVerdict } from '../index.ts';
import { humanSize, printable } from './render.ts';

export interface PreflightView {
  /** Show passes like the rest. */
  readonly all: boolean;
  readonly hasColor: boolean;
}

const MARKS = { fail: 'FAIL', warn: 'warn', pass: 'pass', 'not-checked': '  ? ' } as const;
/** SGR codes: red, yellow, green, faint. */
const COLORS = { fail: 31, warn: 33, pass: 32, 'not-checked': 2 } as const;

export function renderPreflight(report: PreflightReport, { all, hasColor }: PreflightView): string {
  const paint = (text: string, code: number): string => (hasColor ? `\x1b[${code}m${text}\x1b[0m` : text);
  const shown = report.rules.filter(({ verdict }) => all || verdict === 'fail' || verdict === 'warn');
  const lines = [
    ...headLines(report),
    '',
    ...shown.flatMap((rule) => {
      const [head = '', ...rest] = ruleLines(rule).map(printable);
      return [
        `${paint(MARKS[rule.verdict], COLORS[rule.verdict])}  ${paint(head, 1)}`,
        ...rest.map((line) => `      ${line}`),
      ];
    }),
    ...(shown.length > 0 ? [''] : []),
    ...(all ? [] : quietLines(report)),
    paint(printable(verdictLine(report)), COLORS[report.verdict]),
  ];
  return `${lines.join('\n')}\n`;
}

function headLines({ title, facts, image, format, size }: PreflightReport): readonly string[] {
  const { guestSize, cloudSize, cloudSizeIs, smallestDiskGiB, originalSize, fits, diskSize } = size;
  const said = [
    ...(facts.import === 'fast' ? ['fast import'] : []),
    ...(facts.disk === 'data' ? ['data disk'] : []),
    ...[facts.os, facts.boot, facts.arch].filter((fact) => fact !== undefined),
  ];
  const guest = guestSize === cloudSize ? '' : `, its guest ${guestSize}`;
  const original = originalSize === undefined ? '' : `, made from ${originalSize}`;
  const chosen =
    diskSize === undefined ? '' : `; ${humanSize(diskSize)} ${fits ? 'is enough' : 'is too small'}`;
  return [
    `${title}${said.length > 0 ? ` (${said.join(', ')})` : ''}: ${image}, ${format}`,
    `The cloud sees ${cloudSize} bytes (${cloudSizeIs})${guest}${original}.`,
    `The smallest disk that holds it: ${smallestDiskGiB} GiB${chosen}.`,
  ].map(printable);
}

function ruleLines(rule: RuleVerdict): readonly string[] {
  const { rule: id, seen, wanted, reason, advice, fix, note, cloudCode, sources, verdict } = rule;
  const isProblem = verdict === 'fail' || verdict === 'warn';
  return [
    `${id}: ${seen ?? 'not looked at'}`,
    ...(seen === wanted ? [] : [`wanted: ${wanted}`]),
    ...(reason === undefined
      ? []
      : [reason + (cloudCode !== undefined && isProblem ? ` (${cloudCode})` : '')]),
    ...(note === undefined ? [] : [note]),
    ...(advice === undefined ? [] : [advice]),
    ...(fix === undefined ? [] : [`$ ${fix}`]),
    `source: ${sources.map(({ title, date }) => `${title}, ${date}`).join('; ')}`,
  ];
}

/** What is not shown rule by rule. */
function quietLines({ rules }: PreflightReport): readonly string[] {
  const reasons = new Map<string, string[]>();
  for (const { rule, verdict, reason = '' } of rules) {
    if (verdict !== 'not-checked') continue;
    reasons.set(reason, [...(reasons.get(reason) ?? []), rule]);
  }
  const passed = rules.filter(({ verdict }) => verdict === 'pass').map(({ rule }) => rule);
  return [
    ...[...reasons].map(([reason, ids]) => `not checked: ${ids.join(', ')}: ${reason}`),
    ...(passed.length > 0 ? [`passed: ${passed.join(', ')}`] : []),
  ].map(printable);
}

function verdictLine({ verdict, counts }: PreflightReport): string {
  const numbers = [
    ...(counts.fail > 0 ? [`${counts.fail} failed`] : []),
    ...(counts.warn > 0 ? [`${counts.warn} ${counts.warn === 1 ? 'warning' : 'warnings'}`] : []),
    ...(counts['not-checked'] > 0 ? [`${counts['not-checked']} not checked`] : []),
    `${counts.pass} passed`,
  ].join(', ');
  const words = {
    fail: 'It will be refused, or will not start',
    warn: 'It may be refused, or not start',
    pass: 'Nothing stands in its way',
  };
  return `${words[verdict]}: ${numbers}.`;
}
