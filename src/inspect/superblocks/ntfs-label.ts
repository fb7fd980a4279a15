/**
 * The label of an NTFS volume: an attribute of the file `$Volume`, the fourth record of the master file table. Source: the
 * layout in libfsntfs's "New Technologies File System (NTFS)" specification.
 */

import { KiB } from '../../binary/align.ts';
import type { Volume } from '../volume.ts';
import { bytesOf } from './signature.ts';

const VOLUME_RECORD = 3;
const VOLUME_NAME = 0x60;
const END = 0xffffffff;
const SECTOR = 512;

export async function ntfsLabel(volume: Volume): Promise<string | undefined> {
  const { view } = bytesOf(await volume.read(0, SECTOR));
  const sectorSize = view.getUint16(11, true);
  const perCluster = view.getUint8(13);
  // From 0x81 on a power of two, and so is the record's size when it is negative.
  const clusterSize = sectorSize * (perCluster > 0x80 ? 2 ** (0x100 - perCluster) : perCluster);
  const recordClusters = view.getInt8(64);
  const recordSize = recordClusters < 0 ? 2 ** -recordClusters : recordClusters * clusterSize;
  const at = Number(view.getBigUint64(48, true)) * clusterSize + VOLUME_RECORD * recordSize;
  if (recordSize < SECTOR || recordSize > 64 * KiB || !(at + recordSize <= volume.size)) return undefined;
  return nameIn((await volume.read(at, recordSize)).slice());
}

function nameIn(record: Uint8Array): string | undefined {
  const { view, chars, slice } = bytesOf(record);
  if (chars(0, 4) !== 'FILE') return undefined;
  restoreSectorEnds(record, view);
  for (let at = view.getUint16(20, true); at + 24 <= record.length; ) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    if (type === END || length < 24) return undefined;
    const isResident = view.getUint8(at + 8) === 0;
    if (type === VOLUME_NAME && isResident) {
      const size = view.getUint32(at + 16, true);
      const start = at + view.getUint16(at + 20, true);
      return new TextDecoder('utf-16le').decode(slice(start, Math.min(size, 256)));
    }
    at += length;
  }
  return undefined;
}

/** The last two bytes of every sector stand in an array; in their place is a number that tells torn writes. */
function restoreSectorEnds(record: Uint8Array, view: DataView): void {
  const array = view.getUint16(4, true);
  const count = view.getUint16(6, true);
  for (let sector = 1; sector < count; sector++) {
    const saved = array + sector * 2;
    const end = sector * SECTOR;
    if (saved + 2 > record.length || end > record.length) return;
    record.copyWithin(end - 2, saved, saved + 2);
  }
}
