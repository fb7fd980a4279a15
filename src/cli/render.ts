/** Results for people: sizes, an image's description, the list of formats. Pure. */

import type { formats, ImageInfo, JsonValue, Note } from '../index.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** A size with three digits or so: `64 MiB`, `1.46 GiB`. */
export function humanSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${Number(size.toPrecision(size >= 1000 ? 4 : 3))} ${UNITS[unit]}`;
}

const exactSize = (bytes: number): string => `${humanSize(bytes)} (${bytes} bytes)`;

/** A result as `--output json` prints it. */
export const asJson = (result: unknown): string => `${JSON.stringify(result, undefined, 4)}\n`;

/** What a user should know, a line each. @param who begins the lines, where others may write to the same stream */
export const renderNotes = (notes: readonly Note[], who = 'diskimg: '): string =>
  notes.map(({ code, message }) => `${who}note: [${code}] ${message}\n`).join('');

/** Names in an image are anybody's: characters that a terminal obeys are shown, not sent. */
export const printable = (line: string): string =>
  line.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
  );

/** An image as `qemu-img info` shows it. */
export function renderInfo(info: ImageInfo): string {
  const lines = [
    `image: ${info.filename}`,
    `file format: ${info.format}`,
    `virtual size: ${exactSize(info['virtual-size'])}`,
  ];
  if (info['actual-size'] !== undefined) lines.push(`disk size: ${humanSize(info['actual-size'])}`);
  if (info['cluster-size'] !== undefined) lines.push(`cluster_size: ${info['cluster-size']}`);
  if (info.encrypted) lines.push('encrypted: yes');
  if (info['dirty-flag']) lines.push('cleanly shut down: no');
  if (info['backing-filename'] !== undefined) lines.push(`backing file: ${info['backing-filename']}`);
  if (info.snapshots) lines.push('Snapshot list:', ...info.snapshots.map(renderSnapshot));
  const specific = Object.entries(info['format-specific'].data);
  if (specific.length > 0)
    lines.push('Format specific information:', ...specific.flatMap((field) => renderField(field)));
  for (const { code, message } of info.notes ?? []) lines.push(`note: [${code}] ${message}`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function renderSnapshot(snapshot: JsonValue): string {
  const { id, name, 'date-sec': seconds } = snapshot as { id: string; name: string; 'date-sec': number };
  return `    ${id}  ${name}  ${new Date(seconds * 1000).toISOString()}`;
}

/** A field, and what is in it below, each level further in. */
function renderField([key, value]: readonly [string, JsonValue | undefined], depth = 1): string[] {
  if (value === undefined || value === '') return [];
  const indent = '    '.repeat(depth);
  const inside = fieldsOf(value);
  if (inside === undefined) return [`${indent}${key.replaceAll('-', ' ')}: ${renderValue(key, value)}`];
  if (inside.length === 0) return [];
  return [
    `${indent}${key.replaceAll('-', ' ')}:`,
    ...inside.flatMap((field) => renderField(field, depth + 1)),
  ];
}

/** The fields of an object, and the members of a list by their numbers; undefined for a value without any. */
function fieldsOf(value: JsonValue): readonly (readonly [string, JsonValue | undefined])[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return Object.entries(value);
  const isPlain = value.every((member) => typeof member !== 'object');
  return isPlain && value.length > 0 ? undefined : value.map((member, index) => [`[${index}]`, member]);
}

/** Sizes get a unit beside their bytes, times a date. */
function renderValue(key: string, value: JsonValue): string {
  if (typeof value !== 'number') return String(value);
  if (key.endsWith('-size')) return exactSize(value);
  if (key === 'time-stamp') return new Date(value * 1000).toISOString();
  return String(value);
}

type AnyFormat = (typeof formats)[number];

/** The formats, each with its endings and the options of `-o`. */
export function renderFormats(list: readonly AnyFormat[]): string {
  return list.map(renderFormat).join('\n');
}

function renderFormat(format: AnyFormat): string {
  const names = [format.name, ...format.aliases].join(', ');
  const compression = { never: '', optional: '; compressed with -c', always: '; always compressed' };
  const options = [
    ...Object.values(format.createOptions).map((option) => ({ option, use: 'write' })),
    ...Object.values(format.openOptions).map((option) => ({ option, use: 'read' })),
  ].map(({ option, use }) => `    -o ${option.name}=${option.values}  (${use}) ${option.about}\n`);
  const endings = format.suffixes.join(' ');
  const use = 'writer' in format ? '' : '; read only';
  return `${names}: ${format.title} (${endings}${compression[format.compression]}${use})\n${options.join('')}`;
}

/** The formats as data. */
export const formatsAsJson = (list: readonly AnyFormat[]): object[] =>
  list.map((format) => ({
    name: format.name,
    aliases: format.aliases,
    title: format.title,
    suffixes: format.suffixes,
    compression: format.compression,
    writable: 'writer' in format,
    'create-options': optionsAsJson(format.createOptions),
    'open-options': optionsAsJson(format.openOptions),
  }));

const optionsAsJson = (specs: AnyFormat['createOptions']): object[] =>
  Object.values(specs).map(({ name, about, values, default: standard }) => ({
    name,
    about,
    values,
    default: standard,
  }));
