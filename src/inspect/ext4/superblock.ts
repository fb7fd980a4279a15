/** The superblock of ext2, ext3 and ext4: what it says, what of it can be, and which features are read. */

import { crc32c } from '../../binary/crc32c.ts';
import { type Decoded, u32 } from '../../binary/struct.ts';
import { CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { Volume } from '../volume.ts';
import {
  compat,
  EXT_MAGIC,
  incompat,
  roCompat,
  SUPERBLOCK_AT,
  SUPERBLOCK_SIZE,
  superblockStruct,
} from './structs.ts';

/** A filesystem that is read, as its superblock describes it. Sizes in bytes where nothing else is said. */
export interface ExtFilesystem {
  readonly volume: Volume;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groupCount: number;
  readonly descriptorSize: number;
  /** The first block of descriptors that stands in its own group; `Infinity` when all stand together. */
  readonly firstMetaBg: number;
  /** Has a group a copy of the superblock before its descriptors? */
  hasSuperblock(group: number): boolean;
  readonly inodeCount: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  /** Do directory entries tell the kind of file, and have names of one length byte? */
  readonly hasFileType: boolean;
  /** What checksums begin with; `undefined` where metadata has none. */
  readonly checksumSeed: number | undefined;
  /** Was it not unmounted cleanly? The newest changes are in the journal, which is not read. */
  readonly needsRecovery: boolean;
}

const READ_FEATURES =
  incompat.filetype |
  incompat.recover |
  incompat.metaBg |
  incompat.extents |
  incompat['64bit'] |
  incompat.mmp |
  incompat.flexBg |
  incompat.eaInode |
  incompat.csumSeed |
  incompat.largedir |
  incompat.inlineData |
  incompat.encrypt |
  incompat.casefold;

/**
 * @throws CorruptImageError `bad-header`, `bad-checksum`
 * @throws UnsupportedFeatureError `unsupported-feature` for features without which the filesystem cannot be read
 */
export async function openSuperblock(volume: Volume): Promise<ExtFilesystem> {
  const bytes = await volume.read(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  const record = superblockStruct.decode(bytes, SUPERBLOCK_AT);
  if (record.magic !== EXT_MAGIC) throw broken(`its magic number is ${hex(record.magic)}`);
  const isDynamic = record.revLevel > 0;
  requireKnown(isDynamic ? record.featureIncompat : 0);
  const hasChecksums = isDynamic && (record.featureRoCompat & roCompat.metadataCsum) !== 0;
  if (hasChecksums) requireChecksum(bytes, record.checksumType, record.checksum);

  const has = (feature: number): boolean => isDynamic && (record.featureIncompat & feature) !== 0;
  const is64bit = has(incompat['64bit']);
  if (record.logBlockSize > 6) throw broken(`a block has 2^${10 + record.logBlockSize} bytes`);
  const blockSize = 1024 * 2 ** record.logBlockSize;
  const blockCount = record.blocksCountLo + (is64bit ? record.blocksCountHi * 2 ** 32 : 0);
  const descriptorSize = is64bit ? record.descSize : 32;
  const inodeSize = isDynamic ? record.inodeSize : 128;
  const { firstDataBlock, blocksPerGroup, inodesPerGroup, inodesCount } = record;
  const isPossible =
    firstDataBlock <= 1 &&
    blockCount > firstDataBlock &&
    // Of a bigalloc filesystem a group has a bit for each cluster, not for each block.
    blocksPerGroup >= 8 &&
    blocksPerGroup % 8 === 0 &&
    inodesPerGroup >= 8 &&
    inodesPerGroup <= blockSize * 8 &&
    inodesCount >= 11 &&
    isPowerBetween(inodeSize, 128, blockSize) &&
    isPowerBetween(descriptorSize, 32, blockSize) &&
    (!is64bit || descriptorSize >= 64);
  if (!isPossible) throw broken('its numbers contradict each other');

  const groupCount = Math.ceil((blockCount - firstDataBlock) / blocksPerGroup);
  return {
    volume,
    blockSize,
    blockCount,
    firstDataBlock,
    blocksPerGroup,
    groupCount,
    descriptorSize,
    firstMetaBg: has(incompat.metaBg) ? record.firstMetaBg : Number.POSITIVE_INFINITY,
    hasSuperblock: superblocksOf(record, isDynamic),
    inodeCount: Math.min(inodesCount, inodesPerGroup * groupCount),
    inodesPerGroup,
    inodeSize,
    hasFileType: has(incompat.filetype),
    checksumSeed: hasChecksums
      ? has(incompat.csumSeed)
        ? ~record.checksumSeed >>> 0
        : crc32c(record.uuid)
      : undefined,
    needsRecovery: has(incompat.recover),
  };
}

function requireKnown(features: number): void {
  const unknown = (features & ~READ_FEATURES) >>> 0;
  if (unknown === 0) return;
  const names = Object.entries(incompat).filter(([, bit]) => (unknown & bit) !== 0);
  const list = names.length > 0 ? names.map(([name]) => name).join(', ') : hex(unknown);
  throw new UnsupportedFeatureError(
    'unsupported-feature',
    `The ext4 filesystem has features that are not read here: ${list}.`,
    { format: 'ext4' },
  );
}

function requireChecksum(bytes: Uint8Array, type: number, stored: number): void {
  if (type !== 1) throw broken(`its checksums are of type ${type}`);
  const computed = ~crc32c(bytes.subarray(0, superblockStruct.fields.checksum.at)) >>> 0;
  if (computed === stored) return;
  const message = `The superblock of the ext4 filesystem has the checksum ${hex(stored)}, expected ${hex(computed)}.`;
  throw new CorruptImageError('bad-checksum', message, { format: 'ext4' });
}

function superblocksOf(
  record: Decoded<typeof superblockStruct>,
  isDynamic: boolean,
): (group: number) => boolean {
  if (isDynamic && (record.featureCompat & compat.sparseSuper2) !== 0)
    return (group) => group === 0 || group === record.backupBg0 || group === record.backupBg1;
  if (isDynamic && (record.featureRoCompat & roCompat.sparseSuper) !== 0)
    return (group) => group <= 1 || [3, 5, 7].some((base) => isPowerOf(base, group));
  return () => true;
}

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

const isPowerBetween = (value: number, low: number, high: number): boolean =>
  value >= low && value <= high && 2 ** Math.round(Math.log2(value)) === value;

const hex = (value: number): string => `0x${value.toString(16)}`;

const broken = (why: string): CorruptImageError =>
  new CorruptImageError('bad-header', `The superblock of the ext4 filesystem cannot be right: ${why}.`, {
    format: 'ext4',
  });

/** `value` as the four bytes that checksums take in. */
export function littleEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  u32(0).encode(new DataView(bytes.buffer), value, 'little');
  return bytes;
}
