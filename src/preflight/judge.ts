/** Judges an image by the rules of a cloud. Pure. */

import { anyCloudRules, anyCloudSources } from '../profiles/any-cloud.ts';
import type { Profile, Requirement, Rule, RuleCondition, Source } from '../profiles/profile.ts';
import type { Judgement } from './judgement.ts';
import { isOfFormats } from './rules/container.ts';
import { judges } from './rules/index.ts';
import { type SizeReport, sizeReport } from './size.ts';
import type { ImportFacts, Subject } from './subject.ts';

export type Verdict = 'pass' | 'warn' | 'fail' | 'not-checked';

/** What one rule comes to. */
export interface RuleVerdict {
  /** The id of the rule; stable. */
  readonly rule: string;
  readonly verdict: Verdict;
  /** What the cloud wants, and what the image has. */
  readonly wanted: string;
  readonly seen?: string;
  /** Why it is no pass; a sentence. */
  readonly reason?: string;
  /** What to do; a sentence, and a command. */
  readonly advice?: string;
  readonly fix?: string;
  /** What a user should know of the rule. */
  readonly note?: string;
  /** What the cloud calls the failure. */
  readonly cloudCode?: string;
  /** Where the rule is written. */
  readonly sources: readonly Source[];
}

export interface PreflightReport {
  readonly profile: string;
  readonly title: string;
  readonly image: string;
  readonly format: string;
  /** The worst of all rules; rules that were not checked do not count. */
  readonly verdict: 'pass' | 'warn' | 'fail';
  readonly counts: Readonly<Record<Verdict, number>>;
  /** What was said of the import. */
  readonly facts: ImportFacts;
  readonly size: SizeReport;
  /** Failures first, then warnings, what was not checked, and passes; in the order of the profile. */
  readonly rules: readonly RuleVerdict[];
}

const ORDER: readonly Verdict[] = ['fail', 'warn', 'not-checked', 'pass'];

export function judge(profile: Profile, subject: Subject): PreflightReport {
  const rules = [...profile.rules, ...anyCloudRules]
    .flatMap((rule) => ruleVerdict(rule, profile, subject) ?? [])
    .sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  const count = (verdict: Verdict): number => rules.filter((rule) => rule.verdict === verdict).length;
  const counts = {
    pass: count('pass'),
    warn: count('warn'),
    fail: count('fail'),
    'not-checked': count('not-checked'),
  };
  return {
    profile: profile.name,
    title: profile.title,
    image: subject.image.name,
    format: subject.image.format,
    verdict: counts.fail > 0 ? 'fail' : counts.warn > 0 ? 'warn' : 'pass',
    counts,
    facts: subject.facts,
    size: sizeReport(subject.image, subject.facts),
    rules,
  };
}

/** Undefined for a rule that does not count for this image. */
function ruleVerdict(rule: Rule, profile: Profile, subject: Subject): RuleVerdict | undefined {
  const applies = conditionOf(rule.when ?? {}, subject);
  if (applies.is === 'no') return undefined;
  const { outcome, ...words } = judgeBy(rule.requires, subject);
  const known = { ...profile.sources, ...anyCloudSources };
  const common = {
    rule: rule.id,
    sources: rule.sources.flatMap((key) => known[key] ?? []),
    ...(rule.note !== undefined && { note: rule.note }),
    ...(rule.cloudCode !== undefined && { cloudCode: rule.cloudCode }),
  };
  if (applies.is === 'unknown' && outcome !== 'kept') {
    const { wanted, seen } = words;
    return {
      ...common,
      verdict: 'not-checked',
      wanted,
      ...(seen !== undefined && { seen }),
      reason: applies.reason,
    };
  }
  return { ...common, verdict: verdictOf(outcome, rule), ...words };
}

function verdictOf(outcome: Judgement['outcome'], { severity }: Rule): Verdict {
  if (outcome === 'kept') return 'pass';
  if (outcome === 'unseen') return 'not-checked';
  return outcome === 'broken' && severity === 'error' ? 'fail' : 'warn';
}

const judgeBy = (requirement: Requirement, subject: Subject): Judgement =>
  // The table has a judge for each kind, of that kind: the compiler cannot follow it through the union.
  (judges[requirement.kind] as (requirement: Requirement, subject: Subject) => Judgement)(
    requirement,
    subject,
  );

type Applies = { readonly is: 'yes' | 'no' } | { readonly is: 'unknown'; readonly reason: string };

function conditionOf(when: RuleCondition, { image, contents, facts }: Subject): Applies {
  const tableOf = contents?.table === 'hybrid' ? 'gpt' : contents?.table;
  const isTableSeen = contents?.notLookedAt.every(({ what }) => what !== 'the partition table');
  const fields: readonly (readonly [wanted: unknown, has: unknown, reason: string])[] = [
    [when.import, facts.import ?? 'normal', ''],
    [when.disk, facts.disk ?? 'system', ''],
    [when.formats && true, when.formats && isOfFormats(image, when.formats), ''],
    [when.said && true, when.said && facts[when.said] !== undefined, ''],
    [
      when.os,
      facts.os ?? single(contents?.systems.map(({ family }) => family)),
      `It counts for ${when.os} only: say --os.`,
    ],
    [when.boot, facts.boot ?? single(contents?.boot.modes), `It counts with ${when.boot} only: say --boot.`],
    [
      when.table,
      isTableSeen ? tableOf : undefined,
      `It counts for ${when.table} only, and the partition table was not seen.`,
    ],
    [when.isIso, contents?.isIso, 'The disk was not looked at.'],
  ];
  const asked = fields.filter(([wanted]) => wanted !== undefined);
  if (asked.some(([wanted, has]) => has !== undefined && has !== wanted)) return { is: 'no' };
  const open = asked.find(([, has]) => has === undefined);
  return open ? { is: 'unknown', reason: open[2] } : { is: 'yes' };
}

/** The value that all of them are; undefined for none and for several. */
function single<T>(values: readonly T[] | undefined): T | undefined {
  const different = new Set(values);
  return different.size === 1 ? values?.[0] : undefined;
}
