/**
 * Options of formats, declared once: the CLI's `-o name=value`, the library's typed values, their checks and their
 * help all come from the declaration.
 */

import { isPowerOfTwo } from '../binary/align.ts';
import { OptionError } from '../errors.ts';

/** One option whose value is a T. */
export interface Option<T> {
  /** qemu-img's name, for `-o name=value`. */
  readonly name: string;
  readonly about: string;
  /** The value when none is given. */
  readonly default: T;
  /** What can be said, for help: `64K`, `on|off`, … */
  readonly values: string;
  /** The value that `text` says, or undefined when it is none. */
  parse(text: string): T | undefined;
  /** Is `value`, from a library call, a value of this option? */
  accepts(value: unknown): boolean;
}

export type OptionSpecs = Readonly<Record<string, Option<unknown>>>;
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never;
};

/** One of a few words; `synonyms` are accepted for them on the command line. */
export function choice<const T extends string, D extends T | undefined = T>(
  name: string,
  words: readonly T[],
  standard: D,
  about: string,
  synonyms: Readonly<Record<string, T>> = {},
): Option<T | D> {
  return {
    name,
    about,
    default: standard,
    values: words.join('|'),
    parse: (text) =>
      words.find((word) => word === text) ?? (Object.hasOwn(synonyms, text) ? synonyms[text] : undefined),
    accepts: (value) => words.includes(value as T),
  };
}

/** Any text but none; left out, undefined. */
export const text = (name: string, about: string): Option<string | undefined> => ({
  name,
  about,
  default: undefined,
  values: 'a name',
  parse: (value) => (value === '' ? undefined : value),
  accepts: (value) => typeof value === 'string' && value !== '',
});

export function onOff(name: string, standard: boolean, about: string): Option<boolean> {
  const words: Readonly<Record<string, boolean>> = { on: true, off: false };
  return {
    name,
    about,
    default: standard,
    values: 'on|off',
    parse: (text) => (Object.hasOwn(words, text) ? words[text] : undefined),
    accepts: (value) => typeof value === 'boolean',
  };
}

/** A whole number from `min` to `max`; left out, the writer chooses. */
export function optionalInteger(
  name: string,
  min: number,
  max: number,
  about: string,
): Option<number | undefined> {
  const accepts = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  return {
    name,
    about,
    default: undefined,
    values: `${min}..${max}`,
    parse: (text) => (/^\d+$/.test(text) && accepts(Number(text)) ? Number(text) : undefined),
    accepts,
  };
}

/** A size in bytes, a power of two from `min` to `max`. */
export function powerOfTwoSize(
  name: string,
  min: number,
  max: number,
  standard: number,
  about: string,
): Option<number> {
  const accepts = (value: unknown): boolean =>
    typeof value === 'number' && isPowerOfTwo(value) && value >= min && value <= max;
  return {
    name,
    about,
    default: standard,
    values: `${formatSize(min)}..${formatSize(max)}, a power of two`,
    parse(text) {
      const size = parseSize(text);
      return accepts(size) ? size : undefined;
    },
    accepts,
  };
}

/** The values given over the defaults. @throws OptionError `bad-option` for an unknown name or a bad value */
export function resolveOptions<S extends OptionSpecs>(
  specs: S,
  given: Readonly<Record<string, unknown>>,
  format: string,
): OptionValues<S> {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(specs)) values[key] = option.default;
  for (const [key, value] of Object.entries(given)) {
    const option = Object.hasOwn(specs, key) ? specs[key] : undefined;
    if (option === undefined) throw unknownOption(specs, key, format, (spec) => spec.key);
    if (value === undefined) continue;
    if (!option.accepts(value)) throw badValue(option, String(value), format);
    values[key] = value;
  }
  return values as OptionValues<S>;
}

/** The key and value that `-o name=text` says. @throws OptionError `bad-option` */
export function parseOption(
  specs: OptionSpecs,
  name: string,
  text: string,
  format: string,
): readonly [key: string, value: unknown] {
  const found = Object.entries(specs).find(([, option]) => option.name === name);
  if (found === undefined) throw unknownOption(specs, name, format, (spec) => spec.name);
  const [key, option] = found;
  const value = option.parse(text);
  if (value === undefined) throw badValue(option, text, format);
  return [key, value];
}

function unknownOption(
  specs: OptionSpecs,
  name: string,
  format: string,
  show: (spec: { key: string; name: string }) => string,
): OptionError {
  const known = Object.entries(specs).map(([key, option]) => show({ key, name: option.name }));
  const hint = known.length > 0 ? `It has ${known.join(', ')}.` : 'It has none.';
  return new OptionError('bad-option', `${format} has no option ${name}.`, { format, hint });
}

const badValue = (option: Option<unknown>, text: string, format: string): OptionError =>
  new OptionError('bad-option', `${option.name}=${text} is not possible for ${format}.`, {
    format,
    hint: `Values: ${option.values}.`,
  });

const SUFFIXES = 'BKMGTPE';

/** Bytes that a size such as `512`, `64k`, `1.5G` or `40GiB` says (K = 1024), or undefined. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([BKMGTPE])?(?:iB)?$/i.exec(text);
  if (match === null) return undefined;
  const exponent = SUFFIXES.indexOf((match[2] ?? 'B').toUpperCase());
  const size = Number(match[1]) * 1024 ** exponent;
  return Number.isSafeInteger(size) ? size : undefined;
}

/** A size as {@link parseSize} takes it, in the largest unit that keeps it exact. */
export function formatSize(bytes: number): string {
  let size = bytes;
  let exponent = 0;
  while (size >= 1024 && size % 1024 === 0 && exponent < SUFFIXES.length - 1) {
    size /= 1024;
    exponent += 1;
  }
  return exponent === 0 ? `${size}` : `${size}${SUFFIXES[exponent]}`;
}
