/**
 * The records of qcow2, as in QEMU's interoperability document `docs/interop/qcow2.txt`: "Header", "Header
 * extensions", "Snapshots". Everything is big-endian.
 */

import { bits64, bytes, chars, type Decoded, struct, u8, u16, u32, u64 } from '../../binary/struct.ts';

/** What versions 2 and 3 share. */
export const baseHeader = struct('qcow2 header', 72, 'big', {
  magic: chars(0, 4), // 'QFI\xfb'
  version: u32(4),
  backingFileOffset: u64(8), // 0 without one
  backingFileSize: u32(16), // bytes of its name
  clusterBits: u32(20),
  size: u64(24), // bytes of the virtual disk
  cryptMethod: u32(32), // 0 none, 1 AES, 2 LUKS
  l1Size: u32(36), // entries
  l1TableOffset: u64(40),
  refcountTableOffset: u64(48),
  refcountTableClusters: u32(56),
  nbSnapshots: u32(60),
  snapshotsOffset: u64(64),
});
export type BaseHeader = Decoded<typeof baseHeader>;

/** What version 3 adds, from byte 72. */
export const featureHeader = struct('qcow2 header, version 3', 32, 'big', {
  incompatibleFeatures: bits64(0),
  compatibleFeatures: bits64(8),
  autoclearFeatures: bits64(16),
  refcountOrder: u32(24), // refcounts have 2^order bits
  headerLength: u32(28), // bytes, a multiple of 8
});
export type FeatureHeader = Decoded<typeof featureHeader>;

/** Additional fields, from byte 104; present as far as the header length reaches. */
export const additionalHeader = struct('qcow2 additional fields', 8, 'big', {
  compressionType: u8(0), // 0 zlib, 1 zstd
  padding: bytes(1, 7),
});

export const extensionHeader = struct('qcow2 header extension', 8, 'big', {
  type: u32(0),
  length: u32(4), // bytes of its data, which is padded to a multiple of 8
});

/** The data of the bitmaps extension. */
export const bitmapsExtension = struct('qcow2 bitmaps extension', 24, 'big', {
  count: u32(0),
  reserved: u32(4),
  directorySize: u64(8), // bytes
  directoryOffset: u64(16),
});

/** An entry of the bitmap directory; extra data and the name follow, padded to a multiple of 8. */
export const bitmapEntry = struct('qcow2 bitmap directory entry', 24, 'big', {
  tableOffset: u64(0),
  tableSize: u32(8), // entries
  flags: u32(12), // bit 0 in use, 1 auto, 2 extra data compatible
  type: u8(16), // 1: dirty tracking
  granularityBits: u8(17), // a bit stands for 2^n guest bytes
  nameLength: u16(18),
  extraLength: u32(20),
});

export const snapshotHeader = struct('qcow2 snapshot', 40, 'big', {
  l1TableOffset: u64(0),
  l1Size: u32(8),
  idLength: u16(12),
  nameLength: u16(14),
  seconds: u32(16), // since 1970-01-01T00:00:00Z
  nanoseconds: u32(20),
  clock: bits64(24), // nanoseconds that the machine had run
  stateSize: u32(32),
  extraLength: u32(36),
});

export const MAGIC = 'QFI\xfb';
export const BASE_HEADER_LENGTH = 72;
export const MIN_V3_HEADER_LENGTH = 104;

export const Incompatible = {
  dirty: 1n << 0n,
  corrupt: 1n << 1n,
  dataFile: 1n << 2n,
  compressionType: 1n << 3n,
  extendedL2: 1n << 4n,
} as const;

export const LAZY_REFCOUNTS = 1n << 0n;
/** Autoclear: the bitmaps extension is up to date. */
export const BITMAPS_VALID = 1n << 0n;
/** Autoclear: the data file can be read as a raw image. */
export const DATA_FILE_RAW = 1n << 1n;

export const ExtensionType = {
  end: 0x00000000,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  encryptionHeader: 0x0537be77,
  dataFileName: 0x44415441,
} as const;

export const compressionTypes = { zlib: 0, zstd: 1 } as const;
export type CompressionType = keyof typeof compressionTypes;

export const cryptMethods: Readonly<Record<number, string>> = { 1: 'AES', 2: 'LUKS' };

/** Table entries in two halves, because their flags are above the 53 bits of a safe integer. */
export const EntryHigh = {
  /** Bit 63: the refcount is exactly one. */
  copied: 0x80000000,
  /** Bit 62: the cluster is compressed. */
  compressed: 0x40000000,
  /** Bits 32 to 55, of the offset. */
  offset: 0x00ffffff,
  /** Bits 56 to 61, or to 62 in an L1 entry. */
  reserved: 0x3f000000,
  reservedL1: 0x7f000000,
} as const;

export const EntryLow = {
  /** Bit 0 of an L2 entry: reads as zeros. */
  zero: 0x00000001,
  reserved: 0x000001fe,
  reservedL1: 0x000001ff,
} as const;

/** Subclusters of a cluster with extended L2 entries. */
export const SUBCLUSTERS = 32;

/** Limits of the format's own implementation, which no honest image meets. */
export const MAX_L1_BYTES = 32 * 1024 * 1024;
export const MAX_REFCOUNT_TABLE_BYTES = 8 * 1024 * 1024;
export const MAX_SNAPSHOTS = 65536;
/** qemu writes 16 or 24 bytes of extra data for a snapshot, and takes up to this many. */
export const MAX_SNAPSHOT_EXTRA = 1024;
export const MAX_BITMAP_DIRECTORY_BYTES = 64 * 1024 * 1024;
export const MAX_BACKING_NAME = 1023;
