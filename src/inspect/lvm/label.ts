/**
 * A physical volume of LVM2: its label, and the area that holds the metadata of its group as text. Source: the layout in
 * lvm2's `lib/format_text/layout.h` and `lib/label/label.h` as documented by libvslvm's "Logical Volume Manager (LVM)
 * format" specification. All little-endian.
 */

import { crc32State } from '../../binary/crc32.ts';
import { bytes, chars, struct, u32, u64 } from '../../binary/struct.ts';
import { CorruptImageError } from '../../errors.ts';
import type { Volume } from '../volume.ts';

const SECTOR = 512;
/** The label is in one of the first four sectors. */
const LABEL_SECTORS = 4;
/** What lvm2's checksums begin with, and they end as they are. */
const CRC_START = 0xf597a6cf;
/** The text of a group has some KiB; areas have 1 MiB unless told otherwise. */
const MAX_TEXT = 512 * 1024;

const labelStruct = struct('LVM2 label', 32, 'little', {
  id: chars(0, 8),
  sector: u64(8),
  /** Over what follows, to the end of the sector. */
  checksum: u32(16),
  /** Where the header of the physical volume stands, from the start of the label. */
  headerAt: u32(20),
  type: chars(24, 8),
});
const CHECKED_FROM = 20;

const areaHeaderStruct = struct('LVM2 metadata area', 64, 'little', {
  /** Over what follows, to the end of the sector. */
  checksum: u32(0),
  magic: bytes(4, 16),
  version: u32(20),
  start: u64(24),
  size: u64(32),
  /** Where the text stands, from the start of the area. */
  textAt: u64(40),
  textSize: u64(48),
  textChecksum: u32(56),
  /** 1: the area is not used. */
  flags: u32(60),
});
const AREA_MAGIC = ' LVM2 x[5A%r0N*>';

export interface PhysicalVolume {
  /** 32 characters, without hyphens. */
  readonly id: string;
  readonly volume: Volume;
  /** The metadata of its group; `undefined` when it is kept on other volumes, or it is in no group. */
  readonly text: string | undefined;
}

/** @throws CorruptImageError `bad-header`, `bad-checksum`, `bad-reference` */
export async function openPhysicalVolume(volume: Volume): Promise<PhysicalVolume> {
  const head = await volume.read(0, Math.min(volume.size, LABEL_SECTORS * SECTOR));
  for (let at = 0; at + SECTOR <= head.length; at += SECTOR) {
    const sector = head.subarray(at, at + SECTOR);
    const label = labelStruct.decode(sector, at);
    if (label.id !== 'LABELONE' || label.type !== 'LVM2 001') continue;
    if (crc32State(CRC_START, sector.subarray(CHECKED_FROM)) !== label.checksum)
      throw corrupt('bad-checksum', 'the label');
    return readHeader(volume, sector, label.headerAt);
  }
  throw new CorruptImageError('bad-header', 'lvm2: there is no label.', {});
}

async function readHeader(volume: Volume, sector: Uint8Array, headerAt: number): Promise<PhysicalVolume> {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length);
  const id = String.fromCharCode(...sector.subarray(headerAt, headerAt + 32));
  if (id.length < 32)
    throw new CorruptImageError('bad-header', 'lvm2: the header passes the end of its sector.', {});
  // Two lists of areas follow the size, each ended by an empty one: of data, and of metadata.
  let list = 0;
  for (let at = headerAt + 40; at + 16 <= sector.length && list < 2; at += 16) {
    const offset = Number(view.getBigUint64(at, true));
    const size = Number(view.getBigUint64(at + 8, true));
    if (offset === 0) list++;
    else if (list === 1) {
      const text = await readArea(volume, offset, size);
      if (text !== undefined) return { id, volume, text };
    }
  }
  return { id, volume, text: undefined };
}

async function readArea(volume: Volume, offset: number, size: number): Promise<string | undefined> {
  const sector = await volume.read(offset, SECTOR);
  const area = areaHeaderStruct.decode(sector, offset);
  if (String.fromCharCode(...area.magic) !== AREA_MAGIC || area.version !== 1)
    throw new CorruptImageError('bad-header', `lvm2: no metadata area stands at byte ${offset}.`, {});
  if (crc32State(CRC_START, sector.subarray(4)) !== area.checksum)
    throw corrupt('bad-checksum', 'the metadata area');
  if (area.textAt === 0 || (area.flags & 1) === 1) return undefined;
  const isPossible =
    area.size === size &&
    area.textAt >= SECTOR &&
    area.textAt < size &&
    area.textSize <= Math.min(MAX_TEXT, size - SECTOR);
  if (!isPossible)
    throw new CorruptImageError('bad-reference', 'lvm2: the metadata does not lie within its area.', {});
  // The area is a ring, with its header outside.
  const first = Math.min(area.textSize, size - area.textAt);
  const text = new Uint8Array(area.textSize);
  text.set(await volume.read(offset + area.textAt, first));
  if (first < text.length) text.set(await volume.read(offset + SECTOR, text.length - first), first);
  if (crc32State(CRC_START, text) !== area.textChecksum) throw corrupt('bad-checksum', 'the metadata');
  return new TextDecoder().decode(text);
}

const corrupt = (code: 'bad-checksum', what: string): CorruptImageError =>
  new CorruptImageError(code, `lvm2: ${what} does not have the checksum that it should have.`, {});
