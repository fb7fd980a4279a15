/**
 * COWD: the sparse extents of ESX servers, mostly of snapshots ("Virtual Disk Format 1.1", "ESX Server Sparse
 * Extents"). Grains may be as small as a sector, and their tables have 4096 entries.
 */

import { SECTOR } from '../../binary/align.ts';
import { bytes, chars, struct, u32 } from '../../binary/struct.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { corrupt, unsupported } from './errors.ts';
import type { GrainShape } from './grain-tables.ts';
import { MAX_GRAIN_SECTORS } from './structs.ts';

export const cowdHeader = struct('COWD header', 2048, 'little', {
  magic: chars(0, 4), // 'COWD'
  version: u32(4), // 1
  flags: u32(8), // 3
  capacity: u32(12), // sectors
  grainSize: u32(16), // sectors
  gdOffset: u32(20), // sector of the grain directory
  directoryEntries: u32(24),
  freeSector: u32(28), // where the next grain goes
  parent: bytes(32, 1028), // geometry, or the name and generation of the parent
  generation: u32(1060),
  name: bytes(1064, 60),
  description: bytes(1124, 512),
  savedGeneration: u32(1636),
  reserved: bytes(1640, 8),
  uncleanShutdown: u32(1648),
  padding: bytes(1652, 396),
});

const MAGIC = 'COWD';
const TABLE_ENTRIES = 4096;

export const hasCowdMagic = (head: Uint8Array): boolean =>
  String.fromCharCode(...head.subarray(0, MAGIC.length)) === MAGIC;

/** Bytes of the disk, or of its part in this file; and where its grains are told. */
export type CowdExtent = Pick<
  GrainShape,
  | 'directoryOffset'
  | 'tableEntries'
  | 'grainSize'
  | 'capacity'
  | 'reservedEnd'
  | 'hasZeroGrains'
  | 'isCompressed'
>;

/** @throws CorruptImageError, UnsupportedFeatureError */
export async function readCowd(source: ByteSource): Promise<CowdExtent> {
  const header = cowdHeader.decode(await readBytes(source, 0, cowdHeader.size, 'The header'), 0);
  const { fields } = cowdHeader;
  if (header.version !== 1) {
    const message = `This is version ${header.version} of the format.`;
    throw unsupported('unsupported-version', message, fields.version.at, 'Version 1 is read.');
  }
  const { capacity, grainSize, gdOffset, directoryEntries } = header;
  if (capacity === 0) throw corrupt('bad-header', 'The header tells a disk of no bytes.', fields.capacity.at);
  if (grainSize === 0 || grainSize > MAX_GRAIN_SECTORS || !Number.isInteger(Math.log2(grainSize))) {
    const message = `The header is wrong: its grains have ${grainSize} sectors, no power of two up to ${MAX_GRAIN_SECTORS}.`;
    throw corrupt('bad-header', message, fields.grainSize.at);
  }
  if (directoryEntries * TABLE_ENTRIES * grainSize < capacity) {
    const message = `A disk of ${capacity} sectors needs more than ${directoryEntries} grain tables.`;
    throw corrupt('bad-header', message, fields.directoryEntries.at);
  }
  if (gdOffset * SECTOR < cowdHeader.size) {
    const message = `The grain directory cannot stand at sector ${gdOffset}.`;
    throw corrupt('bad-reference', message, fields.gdOffset.at);
  }
  return {
    directoryOffset: gdOffset * SECTOR,
    tableEntries: TABLE_ENTRIES,
    grainSize: grainSize * SECTOR,
    capacity: capacity * SECTOR,
    reservedEnd: cowdHeader.size,
    hasZeroGrains: false,
    isCompressed: false,
  };
}
