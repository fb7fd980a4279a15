/**
 * The descriptor of a virtual appliance, as far as it speaks of disks (DMTF DSP0243, "Open Virtualization Format": References
 * and DiskSection; DSP0004, annex C: units). Elements and attributes are known by their names without the prefix.
 */

import { CorruptImageError, UnsupportedFeatureError } from '../errors.ts';

/** A file that the descriptor names. */
export interface OvfFile {
  readonly id: string;
  readonly href: string;
  /** Bytes. */
  readonly size?: number;
  readonly compression?: string;
  /** Bytes of each of the files that it is cut into: `name.000000000` and so on. */
  readonly chunkSize?: number;
}

export interface OvfDisk {
  readonly id: string;
  /** The {@link OvfFile} that holds it; left out for a disk that is made empty. */
  readonly fileRef?: string;
  /** Bytes; left out where it is chosen later. */
  readonly capacity?: number;
}

export interface Ovf {
  readonly files: readonly OvfFile[];
  readonly disks: readonly OvfDisk[];
}

/** More files and disks than any machine has. */
const MAX_ELEMENTS = 4096;

/** @throws CorruptImageError `bad-header`; UnsupportedFeatureError for what an OVF may not have, or for UTF-16 */
export function parseOvf(bytes: Uint8Array): Ovf {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw unsupported('is written in UTF-16');
  }
  const files: OvfFile[] = [];
  const disks: OvfDisk[] = [];
  for (const { name, attributes } of startTags(new TextDecoder().decode(bytes))) {
    if (files.length + disks.length > MAX_ELEMENTS) throw corrupt(`names more than ${MAX_ELEMENTS} files`);
    if (name === 'File') files.push(fileOf(attributes));
    if (name === 'Disk') disks.push(diskOf(attributes));
  }
  return { files, disks };
}

type Attributes = ReadonlyMap<string, string>;

function fileOf(attributes: Attributes): OvfFile {
  const [id, href] = [attributes.get('id'), attributes.get('href')];
  if (id === undefined || href === undefined) throw corrupt('has a File without id or href');
  const size = wholeNumber(attributes.get('size'));
  const chunkSize = wholeNumber(attributes.get('chunkSize'));
  const compression = attributes.get('compression');
  return {
    id,
    href,
    ...(size !== undefined && { size }),
    ...(chunkSize !== undefined && { chunkSize }),
    ...(compression !== undefined && { compression }),
  };
}

function diskOf(attributes: Attributes): OvfDisk {
  const id = attributes.get('diskId');
  if (id === undefined) throw corrupt('has a Disk without diskId');
  const fileRef = attributes.get('fileRef');
  const capacity = capacityOf(attributes.get('capacity'), attributes.get('capacityAllocationUnits'));
  return {
    id,
    ...(fileRef !== undefined && { fileRef }),
    ...(capacity !== undefined && { capacity }),
  };
}

const UNITS = /^\s*bytes?\s*(?:\*\s*(\d{1,15})\s*(?:\^\s*(\d{1,2}))?)?\s*$/i;

/** `byte`, `byte * 2^30`, `byte*1024`. Undefined for another unit, and for a capacity that is chosen later. */
function capacityOf(capacity: string | undefined, units = 'byte'): number | undefined {
  const count = wholeNumber(capacity);
  if (units.length > 64) return undefined;
  const [, factor = '1', exponent = '1'] = UNITS.exec(units) ?? [];
  if (count === undefined || !UNITS.test(units)) return undefined;
  const bytes = count * Number(factor) ** Number(exponent);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const wholeNumber = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
};

interface StartTag {
  readonly name: string;
  readonly attributes: Attributes;
}

/** What markup is passed over, and where it ends. */
const PASSED: readonly (readonly [begin: string, end: string])[] = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
  ['</', '>'],
];

/** The elements, in the order in which they begin. Entities cannot be declared: nothing grows. */
function* startTags(text: string): Generator<StartTag> {
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at)) {
    const passed = PASSED.find(([begin]) => text.startsWith(begin, at));
    if (passed) {
      const [begin, end] = passed;
      const found = text.indexOf(end, at + begin.length);
      if (found < 0) throw corrupt(`has a ${begin} that does not end`);
      at = found + end.length;
      continue;
    }
    if (text.startsWith('<!', at)) throw unsupported('has a document type');
    const { tag, end } = startTagAt(text, at + 1);
    yield tag;
    at = end;
  }
}

const NAME = /[^\s=/>"'<]+/y;
const SPACE = /\s*/y;
const VALUE = /"([^"<]*)"|'([^'<]*)'/y;

function startTagAt(text: string, start: number): { readonly tag: StartTag; readonly end: number } {
  let at = start;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };
  const name = take(NAME)?.[0];
  if (name === undefined) throw corrupt('has a < that begins nothing');
  const attributes = new Map<string, string>();
  for (;;) {
    take(SPACE);
    if (text[at] === '>') break;
    if (text.startsWith('/>', at)) {
      at += 1;
      break;
    }
    const key = take(NAME)?.[0];
    take(SPACE);
    if (key === undefined || text[at] !== '=')
      throw corrupt(`has a <${name.slice(0, 80)}> that cannot be read`);
    at += 1;
    take(SPACE);
    const value = take(VALUE);
    if (value === undefined) throw corrupt(`has an attribute without value in <${name.slice(0, 80)}>`);
    attributes.set(localName(key), unescaped(value[1] ?? value[2] ?? ''));
  }
  return { tag: { name: localName(name), attributes }, end: at + 1 };
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1);

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The five entities that XML has, and characters by their number. */
const unescaped = (text: string): string =>
  text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{1,8}));/gi, (_, decimal, hex, name) => {
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    const character = name === undefined ? code <= 0x10ffff && String.fromCodePoint(code) : ENTITIES[name];
    if (!character) throw corrupt('has an entity that XML does not have');
    return character;
  });

const corrupt = (what: string): CorruptImageError =>
  new CorruptImageError('bad-header', `The descriptor of the archive ${what}.`, {
    hint: 'The archive is damaged: fetch it again; or unpack it with tar, and convert the disk in it.',
  });

const unsupported = (what: string): UnsupportedFeatureError =>
  new UnsupportedFeatureError('unsupported-feature', `The descriptor of the archive ${what}.`, {
    hint: 'Unpack the archive with tar, and convert the disk in it.',
  });
