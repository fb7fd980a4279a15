/**
 * The records of VHD, as in Microsoft's "Virtual Hard Disk Image Format Specification", version 1.0: "Hard Disk
 * Footer Format", "Dynamic Disk Header Format". Everything is big-endian.
 */

import { alignUp, ceilDiv, GiB, MiB, SECTOR } from '../../binary/align.ts';
import { onesComplementSum } from '../../binary/checksum.ts';
import { bits64, bytes, chars, type Decoded, struct, u8, u16, u32, u64 } from '../../binary/struct.ts';

export const vhdFooter = struct('VHD footer', 512, 'big', {
  cookie: chars(0, 8), // 'conectix'
  features: u32(8), // bit 1 is reserved and always set
  fileFormatVersion: u32(12), // 0x00010000
  dataOffset: bits64(16), // of the dynamic disk header; all ones for a fixed disk
  timeStamp: u32(24), // seconds since 2000-01-01T00:00:00Z
  creatorApplication: chars(28, 4),
  creatorVersion: u32(32),
  creatorHostOs: chars(36, 4),
  originalSize: u64(40), // bytes, when the disk was created
  currentSize: u64(48), // bytes
  cylinders: u16(56),
  heads: u8(58),
  sectorsPerTrack: u8(59),
  diskType: u32(60),
  checksum: u32(64), // ones' complement of the sum of all other bytes
  uniqueId: bytes(68, 16),
  savedState: u8(84),
  reserved: bytes(85, 427),
});
export type VhdFooter = Decoded<typeof vhdFooter>;

export const dynamicHeader = struct('VHD dynamic disk header', 1024, 'big', {
  cookie: chars(0, 8), // 'cxsparse'
  dataOffset: bits64(8), // unused: all ones
  tableOffset: u64(16), // of the block allocation table (BAT)
  headerVersion: u32(24), // 0x00010000
  maxTableEntries: u32(28), // blocks of the disk
  blockSize: u32(32), // bytes, without the sector bitmap
  checksum: u32(36),
  parentUniqueId: bytes(40, 16),
  parentTimeStamp: u32(56),
  reserved: u32(60),
  parentUnicodeName: bytes(64, 512), // UTF-16BE
  parentLocatorEntries: bytes(576, 192), // eight of 24 bytes
  reserved2: bytes(768, 256),
});
export type DynamicHeader = Decoded<typeof dynamicHeader>;

export const FOOTER_COOKIE = 'conectix';
export const DYNAMIC_COOKIE = 'cxsparse';
export const VERSION_1_0 = 0x00010000;
export const ALL_ONES = 2n ** 64n - 1n;

export const DiskType = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** A BAT entry of a block that is not stored. */
export const UNUSED_ENTRY = 0xffffffff;

const CHECKSUM_AT = vhdFooter.fields.checksum.at;
const HEADER_CHECKSUM_AT = dynamicHeader.fields.checksum.at;

export const footerChecksum = (footer: Uint8Array): number => onesComplementSum(footer, CHECKSUM_AT);
export const headerChecksum = (header: Uint8Array): number => onesComplementSum(header, HEADER_CHECKSUM_AT);

/** The footer's bytes with its checksum filled in. */
export function encodeFooter(footer: VhdFooter): Uint8Array {
  return vhdFooter.encode({ ...footer, checksum: footerChecksum(vhdFooter.encode(footer)) });
}

/** The header's bytes with its checksum filled in. */
export function encodeDynamicHeader(header: DynamicHeader): Uint8Array {
  return dynamicHeader.encode({ ...header, checksum: headerChecksum(dynamicHeader.encode(header)) });
}

/** Blocks are 2 MiB in practice, or 512 KiB; nobody has been seen to write more than this. */
export const MAX_BLOCK_SIZE = 256 * MiB;
/** The largest VHD: writers may reserve table entries for a disk that grows up to here. */
export const MAX_VIRTUAL_SIZE = 2040 * GiB;
/** What a block allocation table may take in memory: 2040 GiB in blocks of 128 KiB. */
export const MAX_TABLE_BYTES = 64 * MiB;

/** Bytes of the bitmap before a block's data: a bit for each sector, in whole sectors. */
export const bitmapSizeOf = (blockSize: number): number => alignUp(ceilDiv(blockSize / SECTOR, 8), SECTOR);
