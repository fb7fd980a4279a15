/** Reads and judges the header of a QED ("Header", "Feature bits"). */

import { Buffer } from 'node:buffer';
import { isPowerOfTwo, SECTOR } from '../../binary/align.ts';
import {
  CorruptImageError,
  type ErrorCode,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import {
  Feature,
  KNOWN_FEATURES,
  MAGIC,
  MAX_CLUSTER,
  MAX_NAME,
  MAX_TABLE_CLUSTERS,
  MIN_CLUSTER,
  type QedHeader,
  qedHeader,
} from './structs.ts';

/** The header, and what follows from it. */
export interface QedImage {
  readonly header: QedHeader;
  /** Entries of a table. */
  readonly entries: number;
  readonly backingFile: string | undefined;
}

export const has = ({ features }: QedHeader, feature: bigint): boolean => (features & feature) !== 0n;

/** @throws UnknownFormatError `wrong-format`, UnsupportedFeatureError, CorruptImageError `truncated`, `bad-header` */
export async function readHeader(source: ByteSource): Promise<QedImage> {
  const bytes = new Uint8Array(Math.min(qedHeader.size, source.size));
  await source.read(bytes, 0);
  if (!hasMagic(bytes)) {
    throw new UnknownFormatError('wrong-format', `${source.name} is no QED.`, {
      format: 'qed',
      fileOffset: 0,
      hint: 'Leave -f out: the bytes tell the format.',
    });
  }
  const header = qedHeader.decode(bytes, 0);
  requireShape(header);
  const entries = (header.clusterSize * header.tableSize) / 8;
  if (header.imageSize > entries * entries * header.clusterSize) {
    throw corrupt(
      'bad-header',
      `A disk of ${header.imageSize} bytes is more than the tables can hold.`,
      'imageSize',
    );
  }
  return { header, entries, backingFile: await readBackingFile(source, header) };
}

export const hasMagic = (head: Uint8Array): boolean =>
  head.length >= MAGIC.length && String.fromCharCode(...head.subarray(0, MAGIC.length)) === MAGIC;

function requireShape(header: QedHeader): void {
  const { clusterSize, tableSize, headerSize, features, imageSize, l1TableOffset } = header;
  const unknown = features & ~KNOWN_FEATURES;
  if (unknown !== 0n) {
    throw new UnsupportedFeatureError('unsupported-feature', `The image has unknown features, ${unknown}.`, {
      format: 'qed',
      fileOffset: qedHeader.fields.features.at,
      hint: 'It was made by software newer than any that is known: convert it with that.',
    });
  }
  if (!isPowerOfTwo(clusterSize) || clusterSize < MIN_CLUSTER || clusterSize > MAX_CLUSTER) {
    const problem = `Clusters have ${clusterSize} bytes, no power of two from 4 KiB to 64 MiB.`;
    throw corrupt('bad-header', problem, 'clusterSize');
  }
  if (!isPowerOfTwo(tableSize) || tableSize > MAX_TABLE_CLUSTERS) {
    throw corrupt('bad-header', `Tables have ${tableSize} clusters, expected 1, 2, 4, 8 or 16.`, 'tableSize');
  }
  if (headerSize === 0 || headerSize * clusterSize > Number.MAX_SAFE_INTEGER) {
    throw corrupt('bad-header', `The header has ${headerSize} clusters.`, 'headerSize');
  }
  if (imageSize % SECTOR !== 0) {
    throw corrupt('bad-header', `The disk has ${imageSize} bytes, no whole sectors.`, 'imageSize');
  }
  if (l1TableOffset % clusterSize !== 0 || l1TableOffset < headerSize * clusterSize) {
    const problem = `The L1 table at byte ${l1TableOffset} is not on a cluster behind the header.`;
    throw corrupt('bad-reference', problem, 'l1TableOffset');
  }
}

async function readBackingFile(source: ByteSource, header: QedHeader): Promise<string | undefined> {
  if (!has(header, Feature.backingFile)) return undefined;
  const { backingFilenameOffset: offset, backingFilenameSize: size, headerSize, clusterSize } = header;
  if (size > MAX_NAME || offset + size > headerSize * clusterSize) {
    throw corrupt(
      'bad-header',
      `The name of the backing file has ${size} bytes at ${offset}.`,
      'backingFilenameSize',
    );
  }
  const name = await readBytes(source, offset, size, 'The name of the backing file');
  return Buffer.from(name).toString('utf8');
}

export const corrupt = (code: ErrorCode, message: string, field: keyof QedHeader): CorruptImageError =>
  new CorruptImageError(code, message, { format: 'qed', fileOffset: qedHeader.fields[field].at });
