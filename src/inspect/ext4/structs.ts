/**
 * The records of ext2, ext3 and ext4 on the disk, little-endian. Source: the kernel's
 * `Documentation/filesystems/ext4/`, whose names these are, in camel case without the prefix.
 */

import { bytes, struct, u8, u16, u32 } from '../../binary/struct.ts';

/** Bytes from the start of the volume. */
export const SUPERBLOCK_AT = 1024;
export const SUPERBLOCK_SIZE = 1024;
export const EXT_MAGIC = 0xef53;

export const superblockStruct = struct('ext superblock', SUPERBLOCK_SIZE, 'little', {
  inodesCount: u32(0x00),
  blocksCountLo: u32(0x04),
  countsOfFree: bytes(0x08, 12),
  /** 1 with blocks of 1 KiB, or else 0. */
  firstDataBlock: u32(0x14),
  /** A block has 2^(10 + this) bytes. */
  logBlockSize: u32(0x18),
  logClusterSize: u32(0x1c),
  blocksPerGroup: u32(0x20),
  clustersPerGroup: u32(0x24),
  inodesPerGroup: u32(0x28),
  mounts: bytes(0x2c, 12),
  magic: u16(0x38),
  state: u16(0x3a),
  errors: bytes(0x3c, 16),
  /** 0: inodes have 128 bytes, and there are no features. */
  revLevel: u32(0x4c),
  reservedOwner: bytes(0x50, 4),
  firstInode: u32(0x54),
  inodeSize: u16(0x58),
  blockGroup: u16(0x5a),
  featureCompat: u32(0x5c),
  featureIncompat: u32(0x60),
  featureRoCompat: u32(0x64),
  uuid: bytes(0x68, 16),
  volumeName: bytes(0x78, 16),
  lastMounted: bytes(0x88, 64),
  journal: bytes(0xc8, 54),
  /** Bytes of a group descriptor, with the feature `64bit`. */
  descSize: u16(0xfe),
  defaultMountOptions: u32(0x100),
  /** With the feature `meta_bg`: the first block of descriptors that stands in its own group. */
  firstMetaBg: u32(0x104),
  mkfsTime: u32(0x108),
  journalBackup: bytes(0x10c, 68),
  blocksCountHi: u32(0x150),
  moreCounts: bytes(0x154, 33),
  /** 1: CRC-32C. */
  checksumType: u8(0x175),
  statistics: bytes(0x176, 214),
  /** With the feature `sparse_super2`: the groups that have a copy of the superblock. */
  backupBg0: u32(0x24c),
  backupBg1: u32(0x250),
  encryption: bytes(0x254, 28),
  /** With the feature `metadata_csum_seed`: what the UUID would otherwise give. */
  checksumSeed: u32(0x270),
  reserved: bytes(0x274, 392),
  checksum: u32(0x3fc),
});

/** The first 32 bytes of a group descriptor, and all of it without the feature `64bit`. */
export const groupStruct = struct('ext group descriptor', 32, 'little', {
  blockBitmapLo: u32(0x00),
  inodeBitmapLo: u32(0x04),
  inodeTableLo: u32(0x08),
  counts: bytes(0x0c, 18),
  checksum: u16(0x1e),
});
/** The upper half of the inode table's address, in a descriptor of 64 bytes. */
export const INODE_TABLE_HI_AT = 0x28;

/** The first 128 bytes of an inode. */
export const inodeStruct = struct('ext inode', 128, 'little', {
  mode: u16(0x00),
  uid: u16(0x02),
  sizeLo: u32(0x04),
  times: bytes(0x08, 16),
  gid: u16(0x18),
  linksCount: u16(0x1a),
  blocksLo: u32(0x1c),
  flags: u32(0x20),
  osd1: u32(0x24),
  /** An extent tree, a block map, a short symlink, or the file itself. */
  block: bytes(0x28, 60),
  generation: u32(0x64),
  fileAclLo: u32(0x68),
  sizeHigh: u32(0x6c),
  obsoFaddr: u32(0x70),
  osd2: bytes(0x74, 8),
  checksumLo: u16(0x7c),
  osd2Reserved: u16(0x7e),
});
export const CHECKSUM_LO_AT = 0x7c;
/** How many bytes behind the first 128 are fields; attributes of the file follow. */
export const EXTRA_ISIZE_AT = 0x80;
export const CHECKSUM_HI_AT = 0x82;

export const extentHeaderStruct = struct('ext extent header', 12, 'little', {
  magic: u16(0),
  entries: u16(2),
  max: u16(4),
  /** 0: the entries are extents, and else nodes of the tree. */
  depth: u16(6),
  generation: u32(8),
});
export const EXTENT_MAGIC = 0xf30a;

export const compat = { hasJournal: 0x4, sparseSuper2: 0x200 } as const;

export const roCompat = { sparseSuper: 0x1, largeFile: 0x2, btreeDir: 0x4, metadataCsum: 0x400 } as const;

export const incompat = {
  compression: 0x1,
  filetype: 0x2,
  recover: 0x4,
  journalDev: 0x8,
  metaBg: 0x10,
  extents: 0x40,
  '64bit': 0x80,
  mmp: 0x100,
  flexBg: 0x200,
  eaInode: 0x400,
  dirdata: 0x1000,
  csumSeed: 0x2000,
  largedir: 0x4000,
  inlineData: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const;

export const inodeFlag = {
  compressed: 0x4,
  encrypted: 0x800,
  extents: 0x80000,
  inlineData: 0x10000000,
} as const;
