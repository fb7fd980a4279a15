/** The superblock of xfs (versions 4 and 5): what it says, what of it can be, and which features are read. */

import { crc32c } from '../../binary/crc32c.ts';
import type { Decoded } from '../../binary/struct.ts';
import { CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { Volume } from '../volume.ts';
import {
  FEATURES2_FTYPE,
  incompat,
  SUPERBLOCK_CHECKSUM_AT,
  superblockStruct,
  VERSION_DIRV2,
} from './structs.ts';

/** A filesystem that is read, as its superblock describes it. Sizes in bytes where nothing else is said. */
export interface XfsFilesystem {
  readonly volume: Volume;
  readonly blockSize: number;
  readonly blockCount: number;
  /** Of an allocation group; addresses leave room for 2^agBlockLog. */
  readonly agBlocks: number;
  readonly agBlockLog: number;
  /** Address of the log, 0 when it is on another disk; and its length in blocks. */
  readonly logStart: number;
  readonly logBlocks: number;
  readonly inodeSize: number;
  readonly inodesPerBlockLog: number;
  readonly rootInode: number;
  readonly directoryBlockSize: number;
  /** Version 5: metadata has checksums. */
  readonly hasChecksums: boolean;
  /** Do directory entries tell the kind of file? */
  readonly hasFileType: boolean;
  /** The filesystem asks for a repair. */
  readonly needsRepair: boolean;
}

const READ_FEATURES =
  incompat.ftype |
  incompat.sparseInodes |
  incompat.metaUuid |
  incompat.bigtime |
  incompat.needsRepair |
  incompat.nrext64 |
  incompat.exchange |
  incompat.parent;

/**
 * @throws CorruptImageError `bad-header`, `bad-checksum`
 * @throws UnsupportedFeatureError `unsupported-feature`, `unsupported-version`
 */
export async function openSuperblock(volume: Volume): Promise<XfsFilesystem> {
  const record = superblockStruct.decode(await volume.read(0, superblockStruct.size), 0);
  if (record.magic !== 'XFSB') throw broken('its magic number is missing');
  const version = record.versionNum & 0xf;
  const isV5 = version === 5;
  if (!isV5 && (version !== 4 || (record.versionNum & VERSION_DIRV2) === 0)) {
    const message = `The xfs filesystem has version ${version}; versions 4 and 5 are read here.`;
    throw new UnsupportedFeatureError('unsupported-version', message, { format: 'xfs' });
  }
  requirePossible(record);
  if (isV5) {
    requireKnown(record.featuresIncompat);
    const sector = await volume.read(0, record.sectorSize);
    if (!isSealed(sector, SUPERBLOCK_CHECKSUM_AT))
      throw corrupt('bad-checksum', 'The superblock does not have its checksum.');
  }
  const has = (feature: number): boolean => isV5 && (record.featuresIncompat & feature) !== 0;
  return {
    volume,
    blockSize: record.blockSize,
    blockCount: record.dblocks,
    agBlocks: record.agBlocks,
    agBlockLog: record.agBlockLog,
    logStart: record.logStart,
    logBlocks: record.logBlocks,
    inodeSize: record.inodeSize,
    inodesPerBlockLog: record.inodesPerBlockLog,
    rootInode: record.rootInode,
    directoryBlockSize: record.blockSize * 2 ** record.dirBlockLog,
    hasChecksums: isV5,
    hasFileType: isV5 ? has(incompat.ftype) : (record.features2 & FEATURES2_FTYPE) !== 0,
    needsRepair: has(incompat.needsRepair),
  };
}

function requirePossible(record: Decoded<typeof superblockStruct>): void {
  const { blockLog, inodeLog, sectorLog, agBlockLog, agBlocks, agCount, dblocks } = record;
  const isPossible =
    blockLog >= 9 &&
    blockLog <= 16 &&
    record.blockSize === 2 ** blockLog &&
    inodeLog >= 8 &&
    inodeLog <= 11 &&
    record.inodeSize === 2 ** inodeLog &&
    record.inodesPerBlockLog === blockLog - inodeLog &&
    sectorLog >= 9 &&
    sectorLog <= 15 &&
    record.sectorSize === 2 ** sectorLog &&
    record.dirBlockLog + blockLog <= 16 &&
    agBlockLog <= 31 &&
    agBlocks > 0 &&
    agBlocks <= 2 ** agBlockLog &&
    dblocks > 0 &&
    dblocks <= agBlocks * agCount &&
    dblocks > agBlocks * (agCount - 1) &&
    record.inProgress === 0;
  if (!isPossible) throw broken('its numbers contradict each other');
}

function requireKnown(features: number): void {
  const unknown = (features & ~READ_FEATURES) >>> 0;
  if (unknown === 0) return;
  const names = Object.entries(incompat).filter(([, bit]) => (unknown & bit) !== 0);
  const list = names.length > 0 ? names.map(([name]) => name).join(', ') : `0x${unknown.toString(16)}`;
  throw new UnsupportedFeatureError(
    'unsupported-feature',
    `The xfs filesystem has features that are not read here: ${list}.`,
    { format: 'xfs' },
  );
}

/** Is the checksum at `at`, the only number in little-endian, that of all bytes with zeros in its place? */
export function isSealed(block: Uint8Array, at: number): boolean {
  const stored = new DataView(block.buffer, block.byteOffset, block.length).getUint32(at, true);
  const before = crc32c(block.subarray(0, at));
  const within = crc32c(new Uint8Array(4), before);
  return crc32c(block.subarray(at + 4), within) === stored;
}

const broken = (why: string): CorruptImageError =>
  corrupt('bad-header', `The superblock cannot be right: ${why}.`);

export const corrupt = (
  code: 'bad-header' | 'bad-reference' | 'bad-checksum' | 'bad-table',
  message: string,
): CorruptImageError => new CorruptImageError(code, `xfs: ${message}`, { format: 'xfs' });
