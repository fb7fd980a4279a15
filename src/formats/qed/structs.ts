/** The header of QED, as in QEMU's `docs/interop/qed_spec.txt`. Everything is little-endian. */

import { bits64, chars, type Decoded, struct, u32, u64 } from '../../binary/struct.ts';

export const qedHeader = struct('QED header', 64, 'little', {
  magic: chars(0, 4), // 'QED\0'
  clusterSize: u32(4), // bytes, a power of two from 4 KiB to 64 MiB
  tableSize: u32(8), // clusters of an L1 or L2 table, a power of two from 1 to 16
  headerSize: u32(12), // clusters
  features: bits64(16),
  compatFeatures: bits64(24),
  autoclearFeatures: bits64(32),
  l1TableOffset: u64(40),
  imageSize: u64(48), // bytes of the virtual disk
  backingFilenameOffset: u32(56), // in the header
  backingFilenameSize: u32(60), // bytes
});
export type QedHeader = Decoded<typeof qedHeader>;

export const MAGIC = 'QED\0';

/** Bits of {@link QedHeader.features}: who does not know one must not open the image. */
export const Feature = {
  /** It builds on a backing file. */
  backingFile: 1n,
  /** It was not closed cleanly: a writer has to check it first. */
  needCheck: 2n,
  /** The backing file is raw, whatever it looks like. */
  backingFormatNoProbe: 4n,
} as const;
export const KNOWN_FEATURES = 7n;

/** Entries of L2 tables: not stored, and zeros. */
export const UNALLOCATED = 0;
export const ZERO_CLUSTER = 1;

export const MIN_CLUSTER = 4096;
export const MAX_CLUSTER = 64 * 1024 * 1024;
export const MAX_TABLE_CLUSTERS = 16;
/** Names are as long as paths may be. */
export const MAX_NAME = 1023;
