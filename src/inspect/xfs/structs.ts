/**
 * The records of xfs on the disk, big-endian except for checksums. Source: "XFS Algorithms & Data Structures" (the kernel's
 * xfs-documentation), whose names these are, in camel case without the prefix.
 */

import { bits64, bytes, chars, struct, u8, u16, u32, u64 } from '../../binary/struct.ts';

export const superblockStruct = struct('xfs superblock', 264, 'big', {
  magic: chars(0, 4),
  blockSize: u32(4),
  dblocks: u64(8),
  realtimeSizes: bytes(16, 16),
  uuid: bytes(32, 16),
  logStart: u64(48),
  rootInode: u64(56),
  realtime: bytes(64, 20),
  agBlocks: u32(84),
  agCount: u32(88),
  realtimeBitmapBlocks: u32(92),
  logBlocks: u32(96),
  /** The lowest four bits are the version. */
  versionNum: u16(100),
  sectorSize: u16(102),
  inodeSize: u16(104),
  inodesPerBlock: u16(106),
  fsName: chars(108, 12),
  blockLog: u8(120),
  sectorLog: u8(121),
  inodeLog: u8(122),
  inodesPerBlockLog: u8(123),
  agBlockLog: u8(124),
  realtimeExtentLog: u8(125),
  /** 1 while mkfs is at work. */
  inProgress: u8(126),
  inodesMaxPercent: u8(127),
  counts: bytes(128, 64),
  /** A directory's block has 2^this filesystem blocks. */
  dirBlockLog: u8(192),
  logSectorLog: u8(193),
  logSectorSize: u16(194),
  logStripe: u32(196),
  features2: u32(200),
  badFeatures2: u32(204),
  featuresCompat: u32(208),
  featuresRoCompat: u32(212),
  featuresIncompat: u32(216),
  featuresLogIncompat: u32(220),
  checksum: bytes(224, 4),
  sparseInodeAlignment: u32(228),
  projectQuotaInode: bits64(232),
  lsn: bits64(240),
  metaUuid: bytes(248, 16),
});
export const SUPERBLOCK_CHECKSUM_AT = 224;

/** The first 96 bytes of an inode. */
export const inodeStruct = struct('xfs inode', 96, 'big', {
  magic: chars(0, 2),
  mode: u16(2),
  version: u8(4),
  format: u8(5),
  owners: bytes(6, 18),
  /** Extents of the data fork, with the feature `nrext64` (of version 3). */
  bigExtentCount: bits64(24),
  times: bytes(32, 24),
  size: bits64(56),
  blockCount: bits64(64),
  extentSizeHint: u32(72),
  /** Extents of the data fork, without that feature. */
  extentCount: u32(76),
  attributeExtentCount: u16(80),
  /** Where the attribute fork begins, in units of 8 bytes from the data fork; 0 when there is none. */
  forkOffset: u8(82),
  attributeFormat: u8(83),
  events: bytes(84, 6),
  flags: u16(90),
  generation: u32(92),
});
export const INODE_MAGIC = 'IN';
export const inodeFormat = { local: 1, extents: 2, btree: 3 } as const;
/** The data fork of versions 1 and 2, and of version 3. */
export const LITERAL_AT = 100;
export const LITERAL_AT_V3 = 176;
/** Of version 3. */
export const INODE_CHECKSUM_AT = 100;
export const INODE_NUMBER_AT = 152;
export const FLAGS2_AT = 120;
export const NREXT64_FLAG = 0x10;
export const REALTIME_FLAG = 0x1;

export const incompat = {
  ftype: 0x1,
  sparseInodes: 0x2,
  metaUuid: 0x4,
  bigtime: 0x8,
  needsRepair: 0x10,
  nrext64: 0x20,
  exchange: 0x40,
  parent: 0x80,
  metadir: 0x100,
  zoned: 0x200,
} as const;
/** Of version 4. */
export const VERSION_DIRV2 = 0x2000;
export const FEATURES2_FTYPE = 0x200;
