/** Reading what the user typed into the values that the library takes. Pure. */

import { InvalidArgumentError } from 'commander';
import {
  type FormatName,
  formatBySuffix,
  formatNamed,
  formats,
  OptionError,
  parseOption,
  parseSize,
  writableFormats,
} from '../index.ts';
import type { CliIo } from './io.ts';

/** For commander: a size such as `64k` or `40G`, in bytes. */
export function sizeArgument(text: string): number {
  const size = parseSize(text);
  if (size === undefined) throw new InvalidArgumentError('Expected a size such as 512, 64k, 1.5G or 40GiB.');
  return size;
}

/** For commander: the virtual size of an output. */
export const virtualSizeArgument = (text: string): number | 'original' =>
  text === 'original' ? 'original' : sizeArgument(text);

/** For commander: a whole number, 1 or more. */
export function countArgument(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, 1 or more.');
  return Number(text);
}

/** For commander: how often something is tried again. */
export function retriesArgument(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('Expected a whole number, 0 to 999.');
  return Number(text);
}

/** For commander: a format's name or alias. */
export function formatArgument(text: string): FormatName {
  try {
    return formatNamed(text).name;
  } catch (error) {
    throw new InvalidArgumentError((error as OptionError).hint ?? (error as OptionError).message);
  }
}

/** For commander: `key=value[,key=value]`, which may be given several times. */
export function pairsArgument(text: string, before: readonly Pair[]): readonly Pair[] {
  const pairs = text.split(',').map((part): Pair => {
    const at = part.indexOf('=');
    return at < 0 ? { name: part, value: undefined } : { name: part.slice(0, at), value: part.slice(at + 1) };
  });
  return [...before, ...pairs];
}

/** One `-o name=value`; a name alone means `on`. */
export interface Pair {
  readonly name: string;
  readonly value: string | undefined;
}

/** The output format that was named, or the one that the file name tells. @throws OptionError `bad-option` */
export function outputFormat(named: FormatName | undefined, path: string): FormatName {
  const format = named ?? formatBySuffix(path)?.name;
  if (format) return format;
  throw new OptionError('bad-option', `The name ${path} does not tell a format.`, {
    hint: `Say which with -O: ${writableFormats.map(({ name }) => name).join(', ')}.`,
  });
}

/** `-o` of a conversion, sorted into what the output and what the input is to be given. */
export interface SortedOptions {
  readonly create: Readonly<Record<string, unknown>>;
  readonly open: Readonly<Record<string, unknown>>;
}

/** A name that the output format does not have may be one for reading the input. @throws OptionError `bad-option` */
export function sortOptions(
  pairs: readonly Pair[],
  output: FormatName,
  input: FormatName | undefined,
): SortedOptions {
  const create: Record<string, unknown> = {};
  const open: Record<string, unknown> = {};
  const { createOptions } = formatNamed(output);
  for (const { name, value = 'on' } of pairs) {
    const isForInput = !hasOption(createOptions, name) && inputFormats(input).some(readsWith(name));
    const reader = isForInput ? inputFormats(input).find(readsWith(name)) : undefined;
    const [key, parsed] = reader
      ? parseOption(reader.openOptions, name, value, reader.name)
      : parseOption(createOptions, name, value, output);
    (reader ? open : create)[key] = parsed;
  }
  return { create, open };
}

/** `-o` of a command that only reads. @throws OptionError `bad-option` */
export function openOptions(
  pairs: readonly Pair[],
  input: FormatName | undefined,
): Readonly<Record<string, unknown>> {
  const open: Record<string, unknown> = {};
  for (const { name, value = 'on' } of pairs) {
    const reader = inputFormats(input).find(readsWith(name));
    const format = reader ?? formatNamed(input ?? 'raw');
    const [key, parsed] = parseOption(format.openOptions, name, value, format.name);
    open[key] = parsed;
  }
  return open;
}

/** https://reproducible-builds.org/specs/source-date-epoch/; without it, 1970 begins. */
export function sourceDateEpoch(env: CliIo['env']): number {
  const text = env.SOURCE_DATE_EPOCH ?? '0';
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new OptionError('bad-option', `SOURCE_DATE_EPOCH is '${text}'.`, {
    hint: 'Expected seconds since 1970-01-01T00:00:00Z.',
  });
}

type AnyFormat = ReturnType<typeof formatNamed>;

const inputFormats = (input: FormatName | undefined): readonly AnyFormat[] =>
  input === undefined ? formats : [formatNamed(input)];

const hasOption = (specs: AnyFormat['openOptions'], name: string): boolean =>
  Object.values(specs).some((option) => option.name === name);

const readsWith =
  (name: string) =>
  (format: AnyFormat): boolean =>
    hasOption(format.openOptions, name);
