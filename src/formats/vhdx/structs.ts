/**
 * The records of VHDX, as in Microsoft's open specification [MS-VHDX], sections 2.2 to 2.6. Everything is little-endian;
 * GUIDs stand as Windows keeps them, their first three groups little-endian.
 */

import { KiB, MiB, TiB } from '../../binary/align.ts';
import { crc32c } from '../../binary/crc32c.ts';
import { bits64, bytes, chars, type Decoded, struct, u16, u32, u64 } from '../../binary/struct.ts';

/** 2.2.1 */
export const fileIdentifier = struct('VHDX file type identifier', 520, 'little', {
  signature: chars(0, 8), // 'vhdxfile'
  creator: bytes(8, 512), // UTF-16LE, for people
});

/** 2.2.2 */
export const vhdxHeader = struct('VHDX header', 4096, 'little', {
  signature: chars(0, 4), // 'head'
  checksum: u32(4), // CRC-32C of all 4 KiB
  sequenceNumber: bits64(8), // the header with the greater one counts
  fileWriteGuid: bytes(16, 16), // changes when the file does
  dataWriteGuid: bytes(32, 16), // changes when the disk does: children know their parent by it
  logGuid: bytes(48, 16), // of the entries that count; zeros when the log is empty
  logVersion: u16(64), // 0
  version: u16(66), // 1
  logLength: u32(68), // bytes, whole MiB
  logOffset: u64(72), // whole MiB
  reserved: bytes(80, 4016),
});
export type VhdxHeader = Decoded<typeof vhdxHeader>;

/** 2.2.3.1: of a table of 64 KiB. */
export const regionTableHeader = struct('VHDX region table header', 16, 'little', {
  signature: chars(0, 4), // 'regi'
  checksum: u32(4), // CRC-32C of all 64 KiB
  entryCount: u32(8), // at most 2047
  reserved: u32(12),
});

/** 2.2.3.2 */
export const regionEntry = struct('VHDX region table entry', 32, 'little', {
  guid: bytes(0, 16),
  fileOffset: u64(16), // whole MiB
  length: u32(24), // bytes, whole MiB
  required: u32(28), // 1: who does not know it must not open the file
});

/** 2.6.1.1: of a table of 64 KiB. */
export const metadataTableHeader = struct('VHDX metadata table header', 32, 'little', {
  signature: chars(0, 8), // 'metadata'
  reserved: u16(8),
  entryCount: u16(10), // at most 2047
  reserved2: bytes(12, 20),
});

/** 2.6.1.2 */
export const metadataEntry = struct('VHDX metadata table entry', 32, 'little', {
  itemId: bytes(0, 16),
  offset: u32(16), // within the region, from 64 KiB on
  length: u32(20), // bytes, at most 1 MiB
  flags: u32(24), // MetadataFlag
  reserved2: u32(28),
});

/** 2.6.2.1 */
export const fileParameters = struct('VHDX file parameters', 8, 'little', {
  blockSize: u32(0), // bytes, a power of two from 1 to 256 MiB
  flags: u32(4), // ParameterFlag
});

/** 2.3.1.1 */
export const logEntryHeader = struct('VHDX log entry header', 64, 'little', {
  signature: chars(0, 4), // 'loge'
  checksum: u32(4), // CRC-32C of the whole entry
  entryLength: u32(8), // bytes, whole sectors of 4 KiB
  tail: u32(12), // within the log: the first entry of a sequence that ends with this one
  sequenceNumber: bits64(16),
  descriptorCount: u32(24),
  reserved: u32(28),
  logGuid: bytes(32, 16),
  flushedFileOffset: bits64(48), // bytes that the file had for sure
  lastFileOffset: bits64(56), // bytes that it must have
});

/** 2.3.1.2 and 2.3.1.3 */
export const logDescriptor = struct('VHDX log descriptor', 32, 'little', {
  signature: chars(0, 4), // 'zero' or 'desc'
  trailing: bytes(4, 4), // desc: the last bytes of the sector
  leading: bits64(8), // desc: its first bytes; zero: how many bytes become zeros
  fileOffset: bits64(16), // whole sectors of 4 KiB
  sequenceNumber: bits64(24),
});

/** 2.6.2.6.1 */
export const parentLocatorHeader = struct('VHDX parent locator header', 20, 'little', {
  locatorType: bytes(0, 16),
  reserved: u16(16),
  keyValueCount: u16(18),
});

/** 2.6.2.6.2: offsets within the item, lengths in bytes of UTF-16LE. */
export const parentLocatorEntry = struct('VHDX parent locator entry', 12, 'little', {
  keyOffset: u32(0),
  valueOffset: u32(4),
  keyLength: u16(8),
  valueLength: u16(10),
});

export const FILE_SIGNATURE = 'vhdxfile';
export const HEADER_SIGNATURE = 'head';
export const REGION_SIGNATURE = 'regi';
export const METADATA_SIGNATURE = 'metadata';
export const LOG_SIGNATURE = 'loge';
export const ZERO_SIGNATURE = 'zero';
export const DATA_SIGNATURE = 'desc';
export const SECTOR_SIGNATURE = 'data';

/** The file type identifier, both headers and both region tables, and nothing else. */
export const HEADER_SECTION = MiB;
export const HEADER_OFFSETS = [64 * KiB, 128 * KiB] as const;
export const REGION_TABLE_OFFSETS = [192 * KiB, 256 * KiB] as const;
/** Of the region tables and of the metadata table. */
export const TABLE_SIZE = 64 * KiB;
export const MAX_TABLE_ENTRIES = 2047;
export const MAX_ITEM_LENGTH = MiB;

/** Regions and metadata items, as text. */
export const Guid = {
  bat: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  virtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
  vhdxParent: 'b04aefb7-d19e-4a81-b789-25b8e9445913',
} as const;

export const MetadataFlag = { isUser: 1, isVirtualDisk: 2, isRequired: 4 } as const;
export const ParameterFlag = { leaveBlocksAllocated: 1, hasParent: 2 } as const;

/** 2.5.1.1: what a BAT entry says of a block; 4 and 5 are no states. */
export const BlockState = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;
/** 2.5.1.2: of the block that holds the bitmap of a chunk's sectors. */
export const BITMAP_PRESENT = 6;

/** Bytes of a BAT entry: state in 3 bits, 17 reserved ones, MiB in the file in 44. */
export const ENTRY_SIZE = 8;
/** Bytes of a sector bitmap block; one for each chunk of the disk. */
export const BITMAP_BLOCK = MiB;

export const MIN_BLOCK_SIZE = MiB;
export const MAX_BLOCK_SIZE = 256 * MiB;
export const MAX_VIRTUAL_SIZE = 64 * TiB;
/** What a BAT may take in memory: 64 TiB in blocks of 1 MiB, and as many entries of sector bitmaps as go with them. */
export const MAX_BAT_BYTES = 513 * MiB;

/** Payload blocks that share a sector bitmap block, which has a bit for each of their sectors. */
export const chunkRatioOf = (blockSize: number, logicalSectorSize: number): number =>
  (BITMAP_BLOCK * 8 * logicalSectorSize) / blockSize;

/** CRC-32C of `record`, its checksum of 4 bytes at `checksumAt` taken as zero. */
export function checksumOf(record: Uint8Array, checksumAt: number): number {
  const before = crc32c(record.subarray(0, checksumAt));
  return crc32c(record.subarray(checksumAt + 4), crc32c(new Uint8Array(4), before));
}

/** Puts its checksum into `record`, and returns it. */
export function sealed(record: Uint8Array, checksumAt: number): Uint8Array {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  view.setUint32(checksumAt, checksumOf(record, checksumAt), true);
  return record;
}

/** Does the record have that signature, and does its checksum, behind it, hold? */
export const isSound = (record: Uint8Array, signature: string): boolean =>
  hasSignature(record, signature) &&
  new DataView(record.buffer, record.byteOffset).getUint32(4, true) === checksumOf(record, 4);

export const hasSignature = (record: Uint8Array, signature: string): boolean =>
  String.fromCharCode(...record.subarray(0, signature.length)) === signature;

/** The bytes of a GUID that is written as text. */
export function guidBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  return Uint8Array.from(order, (at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16));
}
