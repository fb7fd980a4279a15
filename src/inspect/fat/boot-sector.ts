/**
 * The boot sector of FAT12, FAT16 and FAT32: where tables, directories and data stand. Source: Microsoft's "FAT: General
 * Overview of On-Disk Format", 1.03. All little-endian.
 */

import { ceilDiv, isPowerOfTwo } from '../../binary/align.ts';
import { bytes, type Decoded, struct, u8, u16, u32 } from '../../binary/struct.ts';

const bootSector = struct('FAT boot sector', 512, 'little', {
  jump: bytes(0, 3),
  oemName: bytes(3, 8),
  bytesPerSector: u16(11),
  sectorsPerCluster: u8(13),
  reservedSectors: u16(14),
  fatCount: u8(16),
  rootEntries: u16(17), // 0: FAT32, whose root is a file as any other
  sectorCount16: u16(19), // 0: see sectorCount32
  media: u8(21),
  fatSectors16: u16(22), // 0: see fatSectors32
  geometry: bytes(24, 8),
  sectorCount32: u32(32),
  fatSectors32: u32(36), // from here on only FAT32
  flags: u16(40),
  version: u16(42),
  rootCluster: u32(44),
  rest: bytes(48, 464),
});

export type FatKind = 'fat12' | 'fat16' | 'fat32';

/** Offsets and sizes in bytes. */
export interface FatLayout {
  readonly kind: FatKind;
  readonly fatAt: number;
  /** Of one table: there are copies behind it. */
  readonly fatLength: number;
  /** The root directory of FAT12 and FAT16; of FAT32 it has no length. */
  readonly rootAt: number;
  readonly rootLength: number;
  /** Of FAT32. */
  readonly rootCluster: number;
  readonly dataAt: number;
  readonly clusterSize: number;
  /** The first one has the number 2. */
  readonly clusterCount: number;
}

/** What a boot sector says; undefined when it is none of FAT, or cannot be right. */
export function fatLayout(sector: Uint8Array): FatLayout | undefined {
  const record = bootSector.decode(sector, 0);
  if (!isPossible(record)) return undefined;
  const sectorSize = record.bytesPerSector;
  const fatSectors = record.fatSectors16 || record.fatSectors32;
  const rootSectors = ceilDiv(record.rootEntries * 32, sectorSize);
  const rootSector = record.reservedSectors + record.fatCount * fatSectors;
  const dataSector = rootSector + rootSectors;
  const sectorCount = record.sectorCount16 || record.sectorCount32;
  const clusterCount = Math.floor((sectorCount - dataSector) / record.sectorsPerCluster);
  if (fatSectors === 0 || clusterCount < 1) return undefined;
  // The number of clusters alone tells the kinds apart.
  const small = clusterCount < 4085 ? 'fat12' : 'fat16';
  const isFat32 = record.rootEntries === 0 && record.fatSectors16 === 0;
  if (!isFat32 && clusterCount >= 65525) return undefined;
  return {
    kind: isFat32 ? 'fat32' : small,
    fatAt: record.reservedSectors * sectorSize,
    fatLength: fatSectors * sectorSize,
    rootAt: rootSector * sectorSize,
    rootLength: rootSectors * sectorSize,
    rootCluster: record.rootCluster,
    dataAt: dataSector * sectorSize,
    clusterSize: record.sectorsPerCluster * sectorSize,
    clusterCount,
  };
}

export const fatKind = (sector: Uint8Array): FatKind | undefined => fatLayout(sector)?.kind;

function isPossible(record: Decoded<typeof bootSector>): boolean {
  const isJump = record.jump[0] === 0xe9 || record.jump[0] === 0xeb;
  return (
    isJump &&
    record.rest[462] === 0x55 &&
    record.rest[463] === 0xaa &&
    [512, 1024, 2048, 4096].includes(record.bytesPerSector) &&
    isPowerOfTwo(record.sectorsPerCluster) &&
    record.reservedSectors > 0 &&
    record.fatCount >= 1 &&
    record.fatCount <= 4 &&
    (record.media === 0xf0 || record.media >= 0xf8)
  );
}
