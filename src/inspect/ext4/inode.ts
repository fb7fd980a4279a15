/** Inodes of ext2, ext3 and ext4: found through the group descriptors, their checksums verified. */

import { crc32c } from '../../binary/crc32c.ts';
import { CorruptImageError } from '../../errors.ts';
import type { FileKind } from '../file-tree.ts';
import {
  CHECKSUM_HI_AT,
  CHECKSUM_LO_AT,
  EXTRA_ISIZE_AT,
  groupStruct,
  INODE_TABLE_HI_AT,
  inodeFlag,
  inodeStruct,
  SUPERBLOCK_AT,
} from './structs.ts';
import { type ExtFilesystem, littleEndian32 } from './superblock.ts';

export const ROOT_INODE = 2;

export interface Inode {
  readonly number: number;
  readonly kind: FileKind;
  /** Bytes. */
  readonly size: number;
  readonly flags: number;
  /** The 60 bytes that hold an extent tree, a block map, a short symlink, or the file itself. */
  readonly block: Uint8Array;
  /** What stands behind its fields: attributes, and with them the rest of a file that is kept inside. */
  readonly attributes: Uint8Array;
  /** What the checksums of its own blocks begin with. */
  readonly checksumSeed: number | undefined;
}

const KINDS: Readonly<Record<number, FileKind>> = { 4: 'directory', 8: 'file', 10: 'symlink' };

/** @throws CorruptImageError `bad-reference`, `bad-checksum`, `bad-table` */
export async function readInode(fs: ExtFilesystem, number: number): Promise<Inode> {
  if (number < 1 || number > fs.inodeCount)
    throw corrupt('bad-reference', `There is no inode ${number}: the filesystem has ${fs.inodeCount}.`);
  const group = Math.floor((number - 1) / fs.inodesPerGroup);
  const index = (number - 1) % fs.inodesPerGroup;
  const table = await inodeTableOf(fs, group);
  const offset = table * fs.blockSize + index * fs.inodeSize;
  requireBlocks(fs, Math.floor(offset / fs.blockSize), 1);
  const bytes = await fs.volume.read(offset, fs.inodeSize);
  const record = inodeStruct.decode(bytes, offset);
  const extra =
    bytes.length > 128 ? new DataView(bytes.buffer, bytes.byteOffset).getUint16(EXTRA_ISIZE_AT, true) : 0;
  if (extra % 4 !== 0 || extra > bytes.length - 128)
    throw corrupt('bad-table', `Inode ${number} claims ${extra} bytes of further fields.`);

  let checksumSeed: number | undefined;
  if (fs.checksumSeed !== undefined) {
    checksumSeed = crc32c(littleEndian32(number), fs.checksumSeed);
    checksumSeed = crc32c(littleEndian32(record.generation), checksumSeed);
    requireChecksum(number, bytes, extra, checksumSeed);
  }
  const size = record.sizeLo + record.sizeHigh * 2 ** 32;
  if (!Number.isSafeInteger(size)) throw corrupt('bad-table', `Inode ${number} claims 2^53 bytes or more.`);
  return {
    number,
    kind: KINDS[record.mode >> 12] ?? 'other',
    size,
    flags: record.flags,
    block: record.block,
    attributes: bytes.subarray(128 + extra),
    checksumSeed,
  };
}

export const hasFlag = (inode: Inode, flag: keyof typeof inodeFlag): boolean =>
  (inode.flags & inodeFlag[flag]) !== 0;

function requireChecksum(number: number, bytes: Uint8Array, extra: number, seed: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isLong = extra >= 4;
  const zeroed = bytes.slice();
  zeroed.fill(0, CHECKSUM_LO_AT, CHECKSUM_LO_AT + 2);
  if (isLong) zeroed.fill(0, CHECKSUM_HI_AT, CHECKSUM_HI_AT + 2);
  const computed = ~crc32c(zeroed, seed) >>> 0;
  const low = view.getUint16(CHECKSUM_LO_AT, true);
  const isRight =
    low === (computed & 0xffff) && (!isLong || view.getUint16(CHECKSUM_HI_AT, true) === computed >>> 16);
  if (!isRight)
    throw corrupt('bad-checksum', `Inode ${number} does not have the checksum that it should have.`);
}

/** The first block of a group's inodes. */
async function inodeTableOf(fs: ExtFilesystem, group: number): Promise<number> {
  const perBlock = fs.blockSize / fs.descriptorSize;
  const metaGroup = Math.floor(group / perBlock);
  const block = descriptorBlock(fs, metaGroup, perBlock);
  requireBlocks(fs, block, 1);
  const offset = block * fs.blockSize + (group % perBlock) * fs.descriptorSize;
  const bytes = await fs.volume.read(offset, fs.descriptorSize);
  const { checksum, inodeTableLo } = groupStruct.decode(bytes, offset);
  if (fs.checksumSeed !== undefined) {
    const zeroed = bytes.slice();
    zeroed.fill(0, groupStruct.fields.checksum.at, groupStruct.fields.checksum.at + 2);
    const computed = ~crc32c(zeroed, crc32c(littleEndian32(group), fs.checksumSeed)) & 0xffff;
    if (computed !== checksum)
      throw corrupt(
        'bad-checksum',
        `The descriptor of group ${group} does not have the checksum that it should have.`,
      );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const high = bytes.length >= 64 ? view.getUint32(INODE_TABLE_HI_AT, true) : 0;
  const table = inodeTableLo + high * 2 ** 32;
  requireBlocks(fs, table, Math.ceil((fs.inodesPerGroup * fs.inodeSize) / fs.blockSize));
  return table;
}

/** Where a block of descriptors stands: all together behind the superblock, or in the first group that it describes. */
function descriptorBlock(fs: ExtFilesystem, metaGroup: number, perBlock: number): number {
  const superblock = Math.floor(SUPERBLOCK_AT / fs.blockSize);
  if (metaGroup < fs.firstMetaBg) return superblock + 1 + metaGroup;
  if (metaGroup === 0) return superblock + 1;
  const first = metaGroup * perBlock;
  return fs.firstDataBlock + first * fs.blocksPerGroup + (fs.hasSuperblock(first) ? 1 : 0);
}

/** @throws CorruptImageError `bad-reference` unless `count` blocks from `block` are blocks of the filesystem */
export function requireBlocks(fs: ExtFilesystem, block: number, count: number): void {
  if (block > 0 && block + count <= fs.blockCount) return;
  throw corrupt('bad-reference', `Block ${block} is named, but the filesystem has ${fs.blockCount}.`);
}

export const corrupt = (
  code: 'bad-reference' | 'bad-checksum' | 'bad-table' | 'bad-data',
  message: string,
): CorruptImageError => new CorruptImageError(code, `ext4: ${message}`, { format: 'ext4' });
