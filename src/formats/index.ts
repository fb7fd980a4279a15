/** All formats: ONE LINE each. The CLI, the README's table, the contract tests and the benchmarks follow from it. */

import { OptionError, UnsupportedFeatureError } from '../errors.ts';
import type { Format, WritableFormat } from '../image/format.ts';
import type { OptionValues } from '../image/options.ts';
import { luks } from './luks/index.ts';
import { qcow } from './qcow/index.ts';
import { qcow2 } from './qcow2/index.ts';
import { qed } from './qed/index.ts';
import { raw } from './raw/index.ts';
import { vdi } from './vdi/index.ts';
import { vhd } from './vhd/index.ts';
import { vhdx } from './vhdx/index.ts';
import { vmdk } from './vmdk/index.ts';
import { zvhd } from './zvhd/index.ts';
import { zvhd2 } from './zvhd2/index.ts';

export const registry = [raw, vhd, vhdx, qcow2, qcow, qed, vdi, vmdk, luks, zvhd, zvhd2] as const;

type Registered = (typeof registry)[number];

/** The name of a format. */
export type FormatName = Registered['name'];

/** The name of a format that is written, not only read. */
export type WritableName = Extract<Registered, { readonly writer: unknown }>['name'];

/** What can be chosen when an image of format N is written. */
export type CreateOptions<N extends WritableName> = Partial<
  OptionValues<Extract<Registered, { readonly name: N }>['createOptions']>
>;

/** What can be chosen when an image of format N is read. */
export type OpenOptions<N extends FormatName> = Partial<
  OptionValues<Extract<Registered, { readonly name: N }>['openOptions']>
>;

/** The formats without the types of their own options, for code that treats all alike. */
export const formats = registry as unknown as readonly Format<FormatName>[];

const isWritable = (format: Format<FormatName>): format is WritableFormat<WritableName> => 'writer' in format;

/** Those of them that are written. */
export const writableFormats: readonly WritableFormat<WritableName>[] = formats.filter(isWritable);

/** The format of that name or alias, to write it. @throws OptionError `bad-option`, UnsupportedFeatureError */
export function writableFormatNamed(name: string): WritableFormat<WritableName> {
  const found = formatNamed(name);
  if (isWritable(found)) return found;
  throw new UnsupportedFeatureError('unsupported-feature', `Images of ${found.name} are read, not written.`, {
    format: found.name,
    hint: `Formats to write: ${writableFormats.map((format) => format.name).join(', ')}.`,
  });
}

/** The format of that name or alias. @throws OptionError `bad-option` */
export function formatNamed(name: string): Format<FormatName> {
  const wanted = name.toLowerCase();
  const found = formats.find((format) => format.name === wanted || format.aliases.includes(wanted));
  if (found) return found;
  const hint = `Formats: ${formats.map((format) => format.name).join(', ')}.`;
  throw new OptionError('bad-option', `There is no format '${name}'.`, { hint });
}

/** The format that a file name's ending tells, if one does. */
export const formatBySuffix = (path: string): Format<FormatName> | undefined =>
  formats.find(({ suffixes }) => suffixes.some((suffix) => path.toLowerCase().endsWith(suffix)));
