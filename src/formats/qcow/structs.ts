/** The header of the first QCOW, as QEMU's `block/qcow.c` and its readers describe it. Everything is big-endian. */

import { bytes, chars, type Decoded, struct, u8, u32, u64 } from '../../binary/struct.ts';

export const qcowHeader = struct('QCOW header', 48, 'big', {
  magic: chars(0, 4), // 'QFI\xfb', as qcow2 has it
  version: u32(4), // 1
  backingFileOffset: u64(8), // 0 without one
  backingFileSize: u32(16), // bytes of its name
  modificationTime: u32(20), // of the backing file
  size: u64(24), // bytes of the virtual disk
  clusterBits: u8(32), // 9 to 16
  l2Bits: u8(33), // an L2 table has 2^l2Bits entries: 6 to 13
  padding: bytes(34, 2),
  cryptMethod: u32(36), // 0 none, 1 AES
  l1TableOffset: u64(40),
});
export type QcowHeader = Decoded<typeof qcowHeader>;

export const MAGIC = 'QFI\xfb';
export const VERSION = 1;

/** Entries are 64 bits: this one marks a compressed cluster, whose length stands above its offset. */
export const COMPRESSED = 2n ** 63n;

export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 16;
export const MIN_L2_BITS = 6;
export const MAX_L2_BITS = 13;
export const MAX_NAME = 1023;
