/** A user's own profile: JSON of the shape of ours, read with errors that name the place in it. Nothing in it is run. */

import { OptionError } from '../errors.ts';
import { profiles } from '../profiles/index.ts';
import type { Profile, RequirementKind } from '../profiles/profile.ts';

/** Checks a value, of which `path` tells the place, and throws where it is not what is wanted. */
type Check = (value: unknown, path: string) => void;
interface Fields {
  readonly needed?: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

const MAX_RULES = 1000;

const bad = (path: string, message: string): OptionError =>
  new OptionError('bad-profile', `${path === '' ? 'The profile' : path}: ${message}`, {
    hint: 'See "Will the cloud take it?" in the README for what a profile is.',
  });

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

const text: Check = (value, path) => {
  if (typeof value !== 'string' || value === '' || value.length > 1000)
    throw bad(path, `expected text, found ${show(value)}.`);
};
const size: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw bad(path, `expected a whole number, 0 or more, found ${show(value)}.`);
};
const positive: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1)
    throw bad(path, `expected a whole number, 1 or more, found ${show(value)}.`);
};
const isTrue: Check = (value, path) => {
  if (value !== true) throw bad(path, `expected true, or nothing at all, found ${show(value)}.`);
};
const isBoolean: Check = (value, path) => {
  if (typeof value !== 'boolean') throw bad(path, `expected true or false, found ${show(value)}.`);
};
const oneOf =
  (...words: readonly string[]): Check =>
  (value, path) => {
    if (!words.includes(value as string))
      throw bad(path, `expected ${words.join(', ')}, found ${show(value)}.`);
  };
const listOf =
  (check: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value) || value.length === 0)
      throw bad(path, `expected a list of one or more, found ${show(value)}.`);
    if (value.length > MAX_RULES) throw bad(path, `a list of ${value.length}; at most ${MAX_RULES}.`);
    for (const [index, one] of value.entries()) check(one, `${path}[${index}]`);
  };
const record =
  ({ needed = {}, optional = {} }: Fields): Check =>
  (value, path) => {
    const own = requireObject(value, path);
    for (const name of Object.keys(own)) {
      const check = Object.hasOwn(needed, name)
        ? needed[name]
        : Object.hasOwn(optional, name)
          ? optional[name]
          : undefined;
      if (check === undefined) {
        const known = [...Object.keys(needed), ...Object.keys(optional)];
        throw bad(at(path, name), `is not known here; known: ${known.join(', ')}.`);
      }
      check(own[name], at(path, name));
    }
    for (const name of Object.keys(needed))
      if (!Object.hasOwn(own, name)) throw bad(path, `${name} is missing.`);
  };

const at = (path: string, name: string): string => {
  const step = /^\w+$/.test(name) ? name : JSON.stringify(name);
  return path === '' ? step : `${path}.${step}`;
};

function requireObject(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw bad(path, `expected an object, found ${show(value)}.`);
}

const mode = oneOf('bios', 'uefi');
const NO_FIELDS: Fields = {};

/** The fields of each kind of requirement. */
const requirementFields: Readonly<Record<RequirementKind, Fields>> = {
  formats: { needed: { formats: listOf(text) }, optional: { wrappers: listOf(text) } },
  archive: { needed: { member: text, wrapper: text } },
  'file-size': { optional: { min: size, max: size } },
  'file-size-over-disk': { needed: { bytes: size } },
  'virtual-size': { optional: { min: size, max: size, below: size, multipleOf: positive } },
  'disk-size-range': { needed: { minGiB: positive, maxGiB: positive } },
  'disk-fits': { needed: { equal: oneOf('fits', 'disputed') } },
  'whole-gib-disk': NO_FIELDS,
  'vhd-size': NO_FIELDS,
  'outside-files': { needed: { refused: listOf(oneOf('backing', 'data-file', 'extents')) } },
  'no-encrypted-image': NO_FIELDS,
  'internal-snapshots': NO_FIELDS,
  'vmdk-types': { needed: { types: listOf(text) } },
  'declared-format': NO_FIELDS,
  'file-name': { optional: { allowed: text, refused: text } },
  'companion-file': { needed: { ending: text } },
  'boot-modes': { needed: { modes: listOf(mode) } },
  'boot-of-architecture': { needed: { architecture: text, mode } },
  architectures: { needed: { architectures: listOf(text) } },
  'boot-as-said': NO_FIELDS,
  'architecture-as-said': NO_FIELDS,
  'os-as-said': NO_FIELDS,
  'partition-table': { needed: { tables: listOf(oneOf('mbr', 'gpt')) } },
  'no-encrypted-volumes': NO_FIELDS,
  'no-optical-disc': NO_FIELDS,
  'os-family': { needed: { family: oneOf('linux', 'windows') } },
  'one-system': NO_FIELDS,
  'root-filesystem': NO_FIELDS,
  'fstab-by-uuid': NO_FIELDS,
  'root-by-uuid': NO_FIELDS,
  'virtio-drivers': { needed: { drivers: listOf(text) } },
  'cloud-init': NO_FIELDS,
  dhcp: NO_FIELDS,
  'no-lvm-root': NO_FIELDS,
  'clean-shutdown': NO_FIELDS,
};

const requirement: Check = (value, path) => {
  const { kind } = requireObject(value, path);
  const fields =
    typeof kind === 'string' && Object.hasOwn(requirementFields, kind)
      ? requirementFields[kind as RequirementKind]
      : undefined;
  if (fields === undefined) {
    throw bad(
      at(path, 'kind'),
      `${show(kind)} is no kind of rule; kinds: ${Object.keys(requirementFields).join(', ')}.`,
    );
  }
  record({ needed: { ...fields.needed, kind: text }, ...(fields.optional && { optional: fields.optional }) })(
    value,
    path,
  );
};

const condition = record({
  optional: {
    import: oneOf('normal', 'fast'),
    os: oneOf('linux', 'windows'),
    disk: oneOf('system', 'data'),
    boot: mode,
    table: oneOf('none', 'mbr', 'gpt'),
    formats: listOf(text),
    isIso: isBoolean,
    said: oneOf('os', 'boot', 'arch'),
  },
});

const date: Check = (value, path) => {
  if (typeof value !== 'string' || !/^\d{4}(-\d{2}(-\d{2})?)?$/.test(value))
    throw bad(path, `expected a date as 2026-07-14 or 2026-07, found ${show(value)}.`);
};

const rule = record({
  needed: { id: text, severity: oneOf('error', 'warning'), requires: requirement, sources: listOf(text) },
  optional: { when: condition, cloudCode: text, note: text },
});
const source = record({ needed: { title: text, url: text, date }, optional: { isDateOfReading: isTrue } });

const optionValue: Check = (value, path) => {
  if (!['string', 'number', 'boolean'].includes(typeof value))
    throw bad(path, `expected text, a number, true or false, found ${show(value)}.`);
};
const valuesOf =
  (check: Check): Check =>
  (value, path) => {
    for (const [name, one] of Object.entries(requireObject(value, path))) check(one, at(path, name));
  };
const target = record({
  needed: { format: text, why: text },
  optional: { options: valuesOf(optionValue), sizeUnit: positive, archiveMember: text },
});

const profileFields: Fields = {
  needed: { name: text, title: text, rules: listOf(rule) },
  optional: { extends: text, hasFastImport: isTrue, sources: valuesOf(source), target },
};

/**
 * The profile that `json` is. With `extends` it has the rules, sources and target of one of ours, too; a rule with the
 * same id takes the place of that one.
 * @throws OptionError `bad-profile`, with the place in the JSON
 */
export function parseProfile(json: string): Profile {
  const value = parsed(json);
  record(profileFields)(value, '');
  const { extends: base, ...own } = value as Profile & { readonly extends?: string };
  const whole = base === undefined ? { ...own, sources: own.sources ?? {} } : extended(own, base);
  requireSources(whole);
  return whole;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new OptionError('bad-profile', `The profile is not JSON: ${(cause as Error).message}`, {
      cause,
      hint: 'A profile is one JSON object.',
    });
  }
}

function extended(
  own: Omit<Profile, 'sources'> & { readonly sources?: Profile['sources'] },
  base: string,
): Profile {
  const found = profiles.find(({ name }) => name === base);
  if (found === undefined)
    throw bad('extends', `${show(base)} is none of ${profiles.map(({ name }) => name).join(', ')}.`);
  const replaced = new Set(own.rules.map(({ id }) => id));
  return {
    ...found,
    ...own,
    sources: { ...found.sources, ...own.sources },
    rules: [...found.rules.filter(({ id }) => !replaced.has(id)), ...own.rules],
  };
}

/** Ids are one of their kind, and every source that a rule names is there. */
function requireSources({ rules, sources }: Profile): void {
  const ids = new Set<string>();
  for (const [index, { id, sources: keys }] of rules.entries()) {
    if (ids.has(id)) throw bad(`rules[${index}].id`, `${show(id)} is the id of another rule, too.`);
    ids.add(id);
    for (const key of keys) {
      if (!Object.hasOwn(sources, key))
        throw bad(
          `rules[${index}].sources`,
          `${show(key)} is none of the sources: ${Object.keys(sources).join(', ') || 'there are none'}.`,
        );
    }
  }
}
