/**
 * The descriptor of a VMDK, a page of text: what kind of disk it is, and which extents it has ("Virtual Disk Format
 * 1.1", "The Descriptor File"). It stands in the image or in a file of its own. Names in it are claims: nothing here
 * opens one.
 */

import { corrupt, unsupported } from './errors.ts';
import { MAX_DESCRIPTOR_BYTES } from './structs.ts';

export interface ExtentLine {
  readonly access: 'RW' | 'RDONLY' | 'NOACCESS';
  readonly sectors: number;
  /** `SPARSE`, `FLAT`, `ZERO`, `VMFS`, `VMFSSPARSE`, `SESPARSE`, … */
  readonly type: string;
  /** Left out of `ZERO` only. */
  readonly name?: string;
  /** First sector of the extent in its file. */
  readonly offset: number;
}

export interface Descriptor {
  /** Changes with the content of the disk. */
  readonly cid: number;
  /** The CID of the disk on which this one builds, or {@link NO_PARENT}. */
  readonly parentCid: number;
  readonly createType: string;
  /** Where that disk was when this one was made. */
  readonly parentHint?: string;
  readonly extents: readonly ExtentLine[];
  /** Keys that are not known; nothing depends on them here. */
  readonly unknownKeys: readonly string[];
  /** Of the disk database: `ddb.adapterType`, … */
  readonly database: ReadonlyMap<string, string>;
}

export const NO_PARENT = 0xffffffff;

const FIRST_LINE = '# disk descriptorfile';

/** Do these first bytes of a file begin a descriptor? */
export const isDescriptor = (head: Uint8Array): boolean =>
  String.fromCharCode(...head.subarray(0, FIRST_LINE.length)).toLowerCase() === FIRST_LINE;

/** Keys in front of the extents, beside those of the disk database. */
const KNOWN_KEYS: readonly string[] = [
  'version',
  'encoding',
  'CID',
  'parentCID',
  'createType',
  'parentFileNameHint',
  'isNativeSnapshot',
  'changeTrackPath',
];

const EXTENT = /^(RW|RDONLY|NOACCESS)\s+(\d{1,16})\s+([A-Z0-9]+)(?:\s+"([^"]*)"(?:\s+(\d{1,16}))?.*)?$/;
const KEY_VALUE = /^([A-Za-z][\w.:-]*)\s*=\s*(.*)$/;

/**
 * @param bytes the text, up to the first NUL
 * @param fileOffset where it stands
 * @throws CorruptImageError `bad-header`, UnsupportedFeatureError
 */
export function parseDescriptor(bytes: Uint8Array, fileOffset: number): Descriptor {
  requireDescriptorSize(bytes.length, fileOffset);
  const end = bytes.indexOf(0);
  const text = decodeText(end < 0 ? bytes : bytes.subarray(0, end));
  const extents: ExtentLine[] = [];
  const values = new Map<string, string>();
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const extent = EXTENT.exec(line);
    const pair = KEY_VALUE.exec(line);
    if (extent && (extent[4] !== undefined || extent[3] === 'ZERO'))
      extents.push(extentLine(extent, fileOffset));
    else if (pair) values.set(pair[1] as string, unquoted(pair[2] as string));
    else {
      const shown = JSON.stringify(line.slice(0, 60));
      throw corrupt('bad-header', `The descriptor has a line that is none of one: ${shown}.`, fileOffset);
    }
  }
  requirePlain(values, fileOffset);
  const hint = values.get('parentFileNameHint');
  return {
    cid: contentId(values, 'CID', fileOffset),
    parentCid: values.has('parentCID') ? contentId(values, 'parentCID', fileOffset) : NO_PARENT,
    createType: values.get('createType') ?? missingKey('createType', fileOffset),
    ...(hint !== undefined && { parentHint: hint }),
    extents,
    unknownKeys: [...values.keys()].filter((key) => !isKnown(key)),
    database: new Map([...values].filter(([key]) => key.startsWith('ddb.'))),
  };
}

/** @throws CorruptImageError `bad-header` */
export function requireDescriptorSize(length: number, fileOffset: number): void {
  if (length <= MAX_DESCRIPTOR_BYTES) return;
  const message = `A descriptor of ${length} bytes is none: at most ${MAX_DESCRIPTOR_BYTES} are read.`;
  throw corrupt('bad-header', message, fileOffset);
}

const isKnown = (key: string): boolean => KNOWN_KEYS.includes(key) || key.startsWith('ddb.');

/** UTF-8; older software wrote what its Windows was set to, of which one letter is one byte. */
function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('latin1').decode(bytes);
  }
}

const unquoted = (value: string): string => /^"(.*)"$/.exec(value)?.[1] ?? value;

function extentLine(match: RegExpExecArray, fileOffset: number): ExtentLine {
  const [, access, sectors, type, name, offset] = match;
  const line = {
    access: access as ExtentLine['access'],
    sectors: Number(sectors),
    type: type as string,
    ...(name !== undefined && { name }),
    offset: Number(offset ?? 0),
  };
  const end = (line.offset + line.sectors) * 512;
  if (line.sectors > 0 && Number.isSafeInteger(end)) return line;
  throw corrupt(
    'bad-header',
    `An extent of ${sectors} sectors from ${line.offset} is not possible.`,
    fileOffset,
  );
}

function contentId(values: ReadonlyMap<string, string>, key: string, fileOffset: number): number {
  const text = values.get(key) ?? missingKey(key, fileOffset);
  if (/^[0-9a-f]{1,8}$/i.test(text)) return Number.parseInt(text, 16);
  throw corrupt(
    'bad-header',
    `The descriptor's ${key} is ${JSON.stringify(text.slice(0, 20))}, no number of 32 bits.`,
    fileOffset,
  );
}

function missingKey(key: string, fileOffset: number): never {
  throw corrupt('bad-header', `The descriptor has no ${key}.`, fileOffset);
}

/** @throws UnsupportedFeatureError for a version or an encryption that changes what all else means */
function requirePlain(values: ReadonlyMap<string, string>, fileOffset: number): void {
  const version = values.get('version') ?? '1';
  if (!/^[1-4]$/.test(version)) {
    const message = `The descriptor is of version ${JSON.stringify(version.slice(0, 20))}.`;
    throw unsupported('unsupported-version', message, fileOffset, 'Versions 1 to 4 are read.');
  }
  if ([...values.keys()].some((key) => key.startsWith('encryption.'))) {
    const hint = 'Decrypt it with the software that has the key, then convert again.';
    throw unsupported('encrypted', 'The disk is encrypted by VMware.', fileOffset, hint);
  }
}

/** What a descriptor that we write tells. */
export interface DescriptorFields {
  readonly cid: number;
  readonly createType: string;
  readonly virtualSize: number;
  readonly adapterType: AdapterType;
  readonly hardwareVersion: number;
  /** Of the file itself. */
  readonly fileName: string;
}

export const adapterTypes = ['ide', 'lsilogic', 'buslogic', 'legacyESX'] as const;
export type AdapterType = (typeof adapterTypes)[number];

/**
 * The text of the descriptor of an image with one extent, itself. Most readers take the file that they have for that
 * extent, as images are renamed; some look for the name.
 */
export function descriptorText(fields: DescriptorFields): string {
  const { cid, createType, virtualSize, adapterType, hardwareVersion, fileName } = fields;
  const { cylinders, heads, sectors } = geometryOf(virtualSize, adapterType);
  return `# Disk DescriptorFile
version=1
CID=${cid.toString(16).padStart(8, '0')}
parentCID=ffffffff
createType="${createType}"

# Extent description
RW ${virtualSize / 512} SPARSE "${fileName}"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "${hardwareVersion}"
ddb.geometry.cylinders = "${cylinders}"
ddb.geometry.heads = "${heads}"
ddb.geometry.sectors = "${sectors}"
ddb.adapterType = "${adapterType}"
ddb.toolsVersion = "2147483647"
`;
}

/** The most cylinders that an IDE disk tells of itself. */
const MAX_IDE_CYLINDERS = 16383;

function geometryOf(virtualSize: number, adapterType: AdapterType) {
  const heads = adapterType === 'ide' ? 16 : 255;
  const sectors = 63;
  const most = adapterType === 'ide' ? MAX_IDE_CYLINDERS : Number.POSITIVE_INFINITY;
  const cylinders = Math.min(most, Math.max(1, Math.floor(virtualSize / 512 / heads / sectors)));
  return { cylinders, heads, sectors };
}
