/** Inodes of xfs: their numbers are addresses; checksums and numbers are verified where there are any. */

import { UnsupportedFeatureError } from '../../errors.ts';
import type { FileKind } from '../file-tree.ts';
import {
  FLAGS2_AT,
  INODE_CHECKSUM_AT,
  INODE_MAGIC,
  INODE_NUMBER_AT,
  inodeFormat,
  inodeStruct,
  LITERAL_AT,
  LITERAL_AT_V3,
  NREXT64_FLAG,
  REALTIME_FLAG,
} from './structs.ts';
import { corrupt, isSealed, type XfsFilesystem } from './superblock.ts';

export interface Inode {
  readonly number: number;
  readonly kind: FileKind;
  /** Bytes. */
  readonly size: number;
  /** What the data fork holds: the file itself, its extents, or the root of a tree of them. */
  readonly format: keyof typeof inodeFormat;
  readonly extentCount: number;
  readonly fork: Uint8Array;
}

const KINDS: Readonly<Record<number, FileKind>> = { 4: 'directory', 8: 'file', 10: 'symlink' };
/** Numbers are addresses in units of 256 bytes or more: no disk reaches this one. */
const MAX_INODE = 2 ** 53;

/** @throws CorruptImageError `bad-reference`, `bad-checksum`, `bad-table` */
export async function readInode(fs: XfsFilesystem, number: number): Promise<Inode> {
  const perBlock = 2 ** fs.inodesPerBlockLog;
  if (number <= 0 || number >= MAX_INODE) throw corrupt('bad-reference', `There is no inode ${number}.`);
  const block = byteOfBlock(fs, Math.floor(number / perBlock), 1);
  const bytes = await fs.volume.read(block + (number % perBlock) * fs.inodeSize, fs.inodeSize);
  const record = inodeStruct.decode(bytes, 0);
  if (
    record.magic !== INODE_MAGIC ||
    record.version < 1 ||
    record.version > 3 ||
    (record.version === 3) !== fs.hasChecksums
  )
    throw corrupt('bad-reference', `Inode ${number} is named, but none stands there.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (fs.hasChecksums) {
    if (!isSealed(bytes, INODE_CHECKSUM_AT))
      throw corrupt('bad-checksum', `Inode ${number} does not have the checksum that it should have.`);
    if (view.getBigUint64(INODE_NUMBER_AT) !== BigInt(number))
      throw corrupt('bad-reference', `Another inode stands in the place of inode ${number}.`);
  }
  const kind = KINDS[record.mode >> 12] ?? 'other';
  if ((record.flags & REALTIME_FLAG) !== 0 && kind === 'file') {
    const message = `xfs: the data of inode ${number} is in the realtime section, which is not read.`;
    throw new UnsupportedFeatureError('unsupported-feature', message, { format: 'xfs' });
  }
  const start = record.version === 3 ? LITERAL_AT_V3 : LITERAL_AT;
  const end = record.forkOffset === 0 ? bytes.length : start + record.forkOffset * 8;
  const isCounted64 = record.version === 3 && (view.getBigUint64(FLAGS2_AT) & BigInt(NREXT64_FLAG)) !== 0n;
  const extentCount = isCounted64 ? Number(record.bigExtentCount) : record.extentCount;
  const size = Number(record.size);
  const format = (Object.keys(inodeFormat) as Inode['format'][]).find(
    (name) => inodeFormat[name] === record.format,
  );
  const isPossible =
    end <= bytes.length && Number.isSafeInteger(size) && (format !== undefined || kind === 'other');
  if (!isPossible) throw corrupt('bad-table', `Inode ${number} contradicts itself.`);
  return { number, kind, size, format: format ?? 'local', extentCount, fork: bytes.subarray(start, end) };
}

/**
 * Where `count` blocks from the address `block` stand: the upper bits of an address are an allocation group.
 * @throws CorruptImageError `bad-reference` unless all of them are blocks of one group of the filesystem
 */
export function byteOfBlock(fs: XfsFilesystem, block: number, count: number): number {
  const room = 2 ** fs.agBlockLog;
  const group = Math.floor(block / room);
  const within = block % room;
  const index = group * fs.agBlocks + within;
  if (within + count <= fs.agBlocks && index + count <= fs.blockCount) return index * fs.blockSize;
  throw corrupt(
    'bad-reference',
    `Block ${within} of group ${group} is named, but the filesystem ends before.`,
  );
}
