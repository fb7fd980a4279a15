/**
 * The header of VDI, VirtualBox's own format, version 1.1, as the VirtualBox sources and their readers describe it; there
 * is no specification. Everything is little-endian.
 */

import { GiB, MiB, SECTOR, TiB } from '../../binary/align.ts';
import { bytes, chars, type Decoded, struct, u32, u64 } from '../../binary/struct.ts';

export const vdiHeader = struct('VDI header', 512, 'little', {
  text: chars(0, 64), // '<<< … >>>\n': who has made it
  signature: u32(64), // 0xbeda107f
  version: u32(68), // 0x00010001: major in the upper half
  headerSize: u32(72), // of what follows the version, from here on: 400, or 384 without the last geometry
  imageType: u32(76), // 1 dynamic, 2 static, 3 undo, 4 differencing
  imageFlags: u32(80), // of VirtualBox, no meaning for readers
  description: bytes(84, 256),
  mapOffset: u32(340), // of the block map
  dataOffset: u32(344), // of the first block
  cylinders: u32(348), // all zero but in old images
  heads: u32(352),
  sectors: u32(356),
  sectorSize: u32(360), // 512
  unused: u32(364),
  diskSize: u64(368), // bytes
  blockSize: u32(376), // bytes: 1 MiB
  blockExtra: u32(380), // bytes before each block: 0
  blockCount: u32(384), // entries of the block map
  storedCount: u32(388), // blocks that stand in the file
  uuid: bytes(392, 16),
  modificationUuid: bytes(408, 16),
  parentUuid: bytes(424, 16), // of a differencing image
  parentModificationUuid: bytes(440, 16),
  lastCylinders: u32(456), // geometry as the BIOS sees it
  lastHeads: u32(460),
  lastSectors: u32(464),
  lastSectorSize: u32(468),
  padding: bytes(472, 40),
});
export type VdiHeader = Decoded<typeof vdiHeader>;

/** File offset of the signature, by which the format is known. */
export const SIGNATURE_OFFSET = vdiHeader.fields.signature.at;
export const SIGNATURE = 0xbeda107f;
export const VERSION_1_1 = 0x00010001;
/** Of version 1.1, counted from {@link VdiHeader.headerSize} itself. */
export const HEADER_SIZE = 400;
/** QEMU's, which leaves out the last geometry. */
export const MIN_HEADER_SIZE = 384;

export const ImageType = { dynamic: 1, static: 2, undo: 3, differencing: 4 } as const;

/** Entries of the block map: a block that is not stored, and one that reads as zeros. */
export const UNUSED_BLOCK = 0xffffffff;
export const ZERO_BLOCK = 0xfffffffe;

/** The block size that VirtualBox and QEMU write. */
export const BLOCK_SIZE = MiB;
/** Blocks of other sizes are in the format; smaller or larger ones have not been seen. */
export const MIN_BLOCK_SIZE = 64 * 1024;
export const MAX_BLOCK_SIZE = 256 * MiB;
/** The largest disk that we write: QEMU and VirtualBox read more, nobody has been seen to want it. */
export const MAX_VIRTUAL_SIZE = 512 * TiB;
/** What a block map may take in memory: 512 TiB in blocks of 1 MiB. */
export const MAX_MAP_BYTES = 2 * GiB;

/** Blocks of the disk, and the bytes of their map up to the next sector. */
export const mapBytesOf = (blockCount: number): number => Math.ceil((blockCount * 4) / SECTOR) * SECTOR;
