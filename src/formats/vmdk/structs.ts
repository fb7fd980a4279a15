/**
 * The records of VMDK, as VMware's "Virtual Disk Format 1.1" and 5.0 have them: "Hosted Sparse Extents",
 * "Stream-Optimized Compressed Sparse Extents". Everything is little-endian; places and sizes are in sectors.
 */

import { GiB, MiB } from '../../binary/align.ts';
import { bits64, bytes, chars, type Decoded, struct, u8, u16, u32, u64 } from '../../binary/struct.ts';

/** Stands at the start of an extent, and once more as the footer of one that was written as a stream. */
export const sparseHeader = struct('VMDK sparse extent header', 512, 'little', {
  magic: chars(0, 4), // 'KDMV'
  version: u32(4), // 1; 2 with zeroed grains; 3 compressed, or with changes tracked beside
  flags: u32(8),
  capacity: u64(12), // sectors of the disk, or of its part in this file
  grainSize: u64(20), // sectors, a power of two
  descriptorOffset: u64(28), // 0 without an embedded descriptor
  descriptorSize: u64(36),
  numGTEsPerGT: u32(44), // entries of a grain table: 512
  rgdOffset: u64(48), // of the redundant grain directory
  gdOffset: bits64(56), // of the grain directory; all ones: the footer tells
  overHead: u64(64), // sectors of metadata before the first grain
  uncleanShutdown: u8(72), // 1 while it is open for writing
  singleEndLineChar: u8(73), // '\n', and so on: what a transfer as text would change
  nonEndLineChar: u8(74),
  doubleEndLineChar1: u8(75),
  doubleEndLineChar2: u8(76),
  compressAlgorithm: u16(77), // 0 none, 1 deflate (RFC 1951) in a zlib stream (RFC 1950)
  padding: bytes(79, 433),
});
export type SparseHeader = Decoded<typeof sparseHeader>;

/** Before each compressed grain. */
export const grainMarker = struct('VMDK grain marker', 12, 'little', {
  lba: u64(0), // first sector of the grain on the disk
  dataSize: u32(8), // bytes of the zlib stream that follows
});

/** Before everything else in a stream; a sector of its own. */
export const metadataMarker = struct('VMDK metadata marker', 512, 'little', {
  sectors: u64(0), // of what follows
  dataSize: u32(8), // 0: so it is no grain
  type: u32(12),
  padding: bytes(16, 496),
});

export const MAGIC = 'KDMV';

export const MarkerType = { endOfStream: 0, grainTable: 1, grainDirectory: 2, footer: 3 } as const;

export const Flag = {
  /** The line end characters tell whether the file was transferred as text. */
  newLineTest: 0x1,
  redundantTable: 0x2,
  /** An entry of 1 in a grain table stands for zeros. */
  zeroedGrains: 0x4,
  compressed: 0x10000,
  /** Markers stand before grains and tables. */
  markers: 0x20000,
} as const;
export const KNOWN_FLAGS =
  Flag.newLineTest | Flag.redundantTable | Flag.zeroedGrains | Flag.compressed | Flag.markers;

/** In {@link SparseHeader.gdOffset}: the grain directory is known only at the end of the file. */
export const GD_AT_END = 0xffff_ffff_ffff_ffffn;

export const DEFLATE = 1;

/** '\n', ' ', '\r', '\n' in the fields that are made for it. */
export const END_LINE_CHARS = {
  singleEndLineChar: 0x0a,
  nonEndLineChar: 0x20,
  doubleEndLineChar1: 0x0d,
  doubleEndLineChar2: 0x0a,
} as const;

/** What every writer uses, and we do: 64 KiB grains, 512 of them in a table. */
export const GRAIN_SECTORS = 128;
export const TABLE_ENTRIES = 512;

/** Entries of a grain table: not stored; and, with the flag for it, zeros. */
export const UNUSED_GRAIN = 0;
export const ZERO_GRAIN = 1;

/** Sectors of the largest grain that is read, 32 MiB: real ones have 64 KiB to 1 MiB. */
export const MAX_GRAIN_SECTORS = 65536;
/** A descriptor is a page of text; what is larger is none. */
export const MAX_DESCRIPTOR_BYTES = MiB;

/** Places are 32 bits of sectors: a file has 2 TiB at most, and tables take less than 1 GiB of it. */
export const MAX_VIRTUAL_SIZE = 2047 * GiB;
