/** Reads and checks a qcow2 header with its extensions (`docs/interop/qcow2.txt`, "Header", "Header extensions"). */

import { alignUp, ceilDiv, isAligned } from '../../binary/align.ts';
import { type Cursor, cursorOver } from '../../binary/cursor.ts';
import type { Decoded } from '../../binary/struct.ts';
import {
  CorruptImageError,
  type ErrorCode,
  type ErrorDetails,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../errors.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import {
  additionalHeader,
  BASE_HEADER_LENGTH,
  type BaseHeader,
  baseHeader,
  bitmapsExtension,
  type CompressionType,
  compressionTypes,
  ExtensionType,
  extensionHeader,
  type FeatureHeader,
  featureHeader,
  Incompatible,
  MAGIC,
  MAX_BACKING_NAME,
  MAX_L1_BYTES,
  MAX_REFCOUNT_TABLE_BYTES,
  MAX_SNAPSHOTS,
  MIN_V3_HEADER_LENGTH,
} from './structs.ts';

export interface Qcow2Header extends BaseHeader, FeatureHeader {
  readonly clusterSize: number;
  readonly compressionType: CompressionType;
  /** Entries of an L2 table, and bytes of an entry: 8, or 16 when they are extended. */
  readonly l2Entries: number;
  readonly l2EntrySize: number;
  /** L1 entries that the disk needs. */
  readonly l1Needed: number;
  readonly backingFile: string | undefined;
  readonly extensions: Extensions;
}

export interface Extensions {
  readonly backingFormat?: string;
  readonly dataFile?: string;
  /** The directory of persistent bitmaps. */
  readonly bitmaps?: Decoded<typeof bitmapsExtension>;
  /** Names of feature bits, by type (0 incompatible, 1 compatible, 2 autoclear) and bit. */
  readonly featureNames: ReadonlyMap<string, string>;
  /** What each extension holds, as it stands in the file, by its type. */
  readonly data: ReadonlyMap<number, Uint8Array>;
}

export const hasFeature = (header: FeatureHeader, bit: bigint): boolean =>
  (header.incompatibleFeatures & bit) !== 0n;

/**
 * @param salvage pass over tables that are not needed to read the disk: refcounts and snapshots
 * @throws UnknownFormatError `wrong-format`, CorruptImageError, UnsupportedFeatureError `unsupported-version`
 */
export async function readHeader(source: ByteSource, salvage = false): Promise<Qcow2Header> {
  const header = await readHeaderAlone(source);
  requireL1(source, header);
  if (!salvage) requireOtherTables(source, header);
  return header;
}

/** The header without a look at the tables that it names: they may be anywhere, and of any size. */
export async function readHeaderAlone(source: ByteSource): Promise<Qcow2Header> {
  const start = await readBytes(source, 0, Math.min(source.size, MIN_V3_HEADER_LENGTH), 'The header');
  if (String.fromCharCode(...start.subarray(0, 4)) !== MAGIC) {
    throw new UnknownFormatError('wrong-format', `${source.name} does not begin with 'QFI\\xfb'.`, {
      format: 'qcow2',
      fileOffset: 0,
      hint: 'It is of another format.',
    });
  }
  const base = baseHeader.decode(start, 0);
  if (base.version !== 2 && base.version !== 3) {
    throw unsupported(
      'unsupported-version',
      `qcow2 version ${base.version}.`,
      4,
      'Versions 2 and 3 are known.',
    );
  }
  const { clusterBits } = base;
  if (clusterBits < 9 || clusterBits > 21) {
    throw corrupt(
      'bad-header',
      `Clusters of 2^${clusterBits} bytes, expected 2^9 (512) to 2^21 (2 MiB).`,
      20,
    );
  }
  const clusterSize = 2 ** clusterBits;
  const features = base.version === 2 ? version2 : version3(start, clusterSize);
  const extended = hasFeature(features, Incompatible.extendedL2);
  const l2EntrySize = extended ? 16 : 8;
  const l2Entries = clusterSize / l2EntrySize;
  const l1Needed = ceilDiv(base.size, clusterSize * l2Entries);

  const first = await readBytes(source, 0, Math.min(source.size, clusterSize), 'The header cluster');
  const extensions = readExtensions(first, features.headerLength, base, clusterSize);
  requireKnownFeatures(features, extensions);
  if (extended && clusterBits < 14) {
    throw corrupt('bad-header', 'Extended L2 entries need clusters of 16 KiB or more.', 20);
  }
  return {
    ...base,
    ...features,
    clusterSize,
    compressionType: compressionTypeOf(first, features),
    l2Entries,
    l2EntrySize,
    l1Needed,
    backingFile: backingName(first, base, clusterSize),
    extensions,
  };
}

/** What a version 2 header implies. */
const version2: FeatureHeader = {
  incompatibleFeatures: 0n,
  compatibleFeatures: 0n,
  autoclearFeatures: 0n,
  refcountOrder: 4,
  headerLength: BASE_HEADER_LENGTH,
};

function version3(start: Uint8Array, clusterSize: number): FeatureHeader {
  const features = featureHeader.decode(start.subarray(BASE_HEADER_LENGTH), BASE_HEADER_LENGTH);
  const { headerLength, refcountOrder } = features;
  if (headerLength < MIN_V3_HEADER_LENGTH || headerLength % 8 !== 0 || headerLength > clusterSize) {
    const message = `Header length ${headerLength}, expected a multiple of 8 from 104 to the cluster size.`;
    throw corrupt('bad-header', message, 100);
  }
  if (refcountOrder > 6) {
    throw corrupt('bad-header', `Refcounts of 2^${refcountOrder} bits, expected at most 2^6 (64).`, 96);
  }
  return features;
}

function requireKnownFeatures(features: FeatureHeader, { featureNames }: Extensions): void {
  const known = Object.values(Incompatible).reduce((bits, bit) => bits | bit, 0n);
  const unknown = features.incompatibleFeatures & ~known;
  if (unknown === 0n) return;
  const bits = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (unknown >> BigInt(bit)) & 1n);
  const names = bits.map((bit) => featureNames.get(`0:${bit}`) ?? `bit ${bit}`);
  throw unsupported(
    'unsupported-feature',
    `The image needs features that are not known: ${names.join(', ')}.`,
    72,
    'Convert it to plain qcow2 with the software that made it.',
  );
}

function compressionTypeOf(first: Uint8Array, features: FeatureHeader): CompressionType {
  const at = MIN_V3_HEADER_LENGTH;
  const stored =
    features.headerLength >= at + additionalHeader.size
      ? additionalHeader.decode(first.subarray(at), at).compressionType
      : compressionTypes.zlib;
  if (!hasFeature(features, Incompatible.compressionType)) {
    if (stored === compressionTypes.zlib) return 'zlib';
    throw corrupt('bad-header', `Compression type ${stored}, but feature bit 3 is not set.`, at);
  }
  if (stored === compressionTypes.zlib) {
    throw corrupt(
      'bad-header',
      'Feature bit 3 is set, but the compression type is zlib (0), or missing.',
      72,
    );
  }
  const names = Object.keys(compressionTypes) as CompressionType[];
  const name = names.find((candidate) => compressionTypes[candidate] === stored);
  if (name) return name;
  throw unsupported(
    'unsupported-feature',
    `Compression type ${stored}.`,
    at,
    'zlib (0) and zstd (1) are known.',
  );
}

function readExtensions(
  first: Uint8Array,
  headerLength: number,
  base: BaseHeader,
  clusterSize: number,
): Extensions {
  const hasBacking = base.backingFileOffset > headerLength && base.backingFileOffset <= clusterSize;
  const end = Math.min(first.length, hasBacking ? base.backingFileOffset : clusterSize);
  const cursor = cursorOver(first.subarray(headerLength, end), headerLength);
  const text: { -readonly [K in 'backingFormat' | 'dataFile' | 'bitmaps']?: Extensions[K] } = {};
  const featureNames = new Map<string, string>();
  const all = new Map<number, Uint8Array>();
  while (cursor.remaining >= extensionHeader.size) {
    const { type, length, data } = nextExtension(cursor, headerLength);
    if (type === ExtensionType.end) break;
    all.set(type, data);
    if (type === ExtensionType.backingFormat) text.backingFormat = decodeText(data);
    if (type === ExtensionType.dataFileName) text.dataFile = decodeText(data);
    if (type === ExtensionType.bitmaps && length >= bitmapsExtension.size) {
      text.bitmaps = bitmapsExtension.decode(data, headerLength + cursor.position);
    }
    if (type === ExtensionType.featureNames) {
      for (let at = 0; at + 48 <= length; at += 48) {
        const name = decodeText(data.subarray(at + 2, at + 48)).replace(/\0.*$/s, '');
        featureNames.set(`${data[at]}:${data[at + 1]}`, name);
      }
    }
  }
  return { ...text, featureNames, data: all };
}

function nextExtension(cursor: Cursor, headerLength: number) {
  const at = headerLength + cursor.position;
  const { type, length } = extensionHeader.decode(cursor.take(8, 'A header extension'), at);
  const data = cursor.take(length, 'A header extension');
  cursor.take(Math.min(cursor.remaining, alignUp(length, 8) - length), 'Padding');
  return { type, length, data };
}

function backingName(first: Uint8Array, base: BaseHeader, clusterSize: number): string | undefined {
  const { backingFileOffset: start, backingFileSize: length } = base;
  if (start === 0) return undefined;
  if (length > MAX_BACKING_NAME) {
    throw corrupt(
      'bad-header',
      `The name of the backing file has ${length} bytes, at most 1023 are allowed.`,
      16,
    );
  }
  if (start + length > Math.min(clusterSize, first.length)) {
    throw corrupt(
      'bad-header',
      `The name of the backing file at ${start} is not within the first cluster.`,
      8,
    );
  }
  return decodeText(first.subarray(start, start + length));
}

const decodeText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The L1 table: aligned, inside the file, of a possible size. */
function requireL1(source: ByteSource, header: Qcow2Header): void {
  const { clusterSize, l1Size, l1TableOffset, l1Needed } = header;
  if (l1Size < l1Needed) {
    throw corrupt('bad-table', `The L1 table has ${l1Size} entries; the disk size needs ${l1Needed}.`, 36);
  }
  if (l1Size * 8 > MAX_L1_BYTES) {
    throw corrupt('bad-table', `The L1 table has ${l1Size} entries, more than 32 MiB.`, 36);
  }
  if (!isAligned(l1TableOffset, clusterSize)) {
    throw corrupt('bad-reference', `The L1 table at ${l1TableOffset} is not on a cluster.`, 40);
  }
  requireInside(source, l1TableOffset, l1Size * 8, 'The L1 table');
}

/** Refcount table and snapshot table: the same. */
function requireOtherTables(source: ByteSource, header: Qcow2Header): void {
  const { clusterSize, refcountTableOffset, refcountTableClusters } = header;
  const refcountTableSize = refcountTableClusters * clusterSize;
  if (refcountTableClusters === 0 || refcountTableSize > MAX_REFCOUNT_TABLE_BYTES) {
    const message = `The refcount table has ${refcountTableClusters} clusters, expected 1 or more, up to 8 MiB.`;
    throw corrupt('bad-table', message, 56);
  }
  if (refcountTableOffset === 0 || !isAligned(refcountTableOffset, clusterSize)) {
    throw corrupt('bad-reference', `The refcount table at ${refcountTableOffset} is not on a cluster.`, 48);
  }
  // A file may end within its last cluster, as long as nothing of use is missing.
  const fileEnd = alignUp(source.size, clusterSize);
  if (refcountTableOffset + refcountTableSize > fileEnd) {
    requireInside(source, refcountTableOffset, refcountTableSize, 'The refcount table');
  }

  if (header.nbSnapshots > MAX_SNAPSHOTS) {
    throw corrupt('bad-table', `${header.nbSnapshots} snapshots, at most 65536 are possible.`, 60);
  }
  if (header.nbSnapshots > 0 && !isAligned(header.snapshotsOffset, clusterSize)) {
    throw corrupt(
      'bad-reference',
      `The snapshot table at ${header.snapshotsOffset} is not on a cluster.`,
      64,
    );
  }
}

export const corrupt = (
  code: ErrorCode,
  message: string,
  fileOffset: number,
  details: ErrorDetails = {},
): CorruptImageError => new CorruptImageError(code, message, { format: 'qcow2', fileOffset, ...details });

export const unsupported = (
  code: ErrorCode,
  message: string,
  fileOffset: number,
  hint: string,
): UnsupportedFeatureError =>
  new UnsupportedFeatureError(code, message, { format: 'qcow2', fileOffset, hint });
