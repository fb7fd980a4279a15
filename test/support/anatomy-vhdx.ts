/** Where the structures of a sound VHDX stand: a part of anatomy.ts. */

import {
  ENTRY_SIZE,
  fileIdentifier,
  fileParameters,
  Guid,
  guidBytes,
  HEADER_OFFSETS,
  logEntryHeader,
  MAX_BLOCK_SIZE,
  metadataEntry,
  metadataTableHeader,
  parentLocatorHeader,
  REGION_TABLE_OFFSETS,
  regionEntry,
  regionTableHeader,
  TABLE_SIZE,
  vhdxHeader,
} from '../../src/formats/vhdx/structs.ts';
import type { Anatomy, RecordPlace, RegionPlace, Seal, TablePlace } from './anatomy.ts';

/** Of tables, records and blocks by the thousand this many are enough. */
const MANY = 12;

export function vhdxAnatomy(bytes: Uint8Array): Anatomy {
  const records: RecordPlace[] = [{ what: 'file type identifier', struct: fileIdentifier, at: 0 }];
  const tables: TablePlace[] = [];
  const regions: RegionPlace[] = [];
  const seals: Seal[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  for (const at of HEADER_OFFSETS) {
    records.push({ what: `header at ${at}`, struct: vhdxHeader, at });
    seals.push({ kind: 'crc32c', at, length: vhdxHeader.size, checksumAt: 4 });
  }
  for (const at of REGION_TABLE_OFFSETS) {
    records.push({ what: `region table at ${at}`, struct: regionTableHeader, at });
    seals.push({ kind: 'crc32c', at, length: TABLE_SIZE, checksumAt: 4 });
    for (const index of [0, 1]) {
      const place = at + regionTableHeader.size + index * regionEntry.size;
      records.push({ what: `region ${index} of the table at ${at}`, struct: regionEntry, at: place });
    }
  }
  const [first] = REGION_TABLE_OFFSETS;
  const bat = u64(regionPlace(bytes, first, Guid.bat) + 16);
  const metadata = u64(regionPlace(bytes, first, Guid.metadata) + 16);
  records.push({ what: 'metadata table', struct: metadataTableHeader, at: metadata });
  let count = 0;
  let blockSize = MAX_BLOCK_SIZE;
  for (let index = 1; index <= view.getUint16(metadata + 10, true); index++) {
    const at = metadata + index * metadataEntry.size;
    records.push({ what: `metadata entry ${index}`, struct: metadataEntry, at });
    const item = metadata + view.getUint32(at + 16, true);
    regions.push({
      what: `metadata item ${index}`,
      start: item,
      end: item + view.getUint32(at + 20, true),
    });
    if (isGuid(bytes, at, Guid.parentLocator)) {
      records.push({ what: 'parent locator', struct: parentLocatorHeader, at: item });
    } else if (isGuid(bytes, at, Guid.fileParameters)) {
      records.push({ what: 'file parameters', struct: fileParameters, at: item });
      blockSize = view.getUint32(item, true);
    } else if (isGuid(bytes, at, Guid.virtualDiskSize)) {
      count = u64(item);
    }
  }
  count = Math.ceil(count / blockSize);
  tables.push({ what: 'BAT', at: bat, entrySize: ENTRY_SIZE, count, unit: 1, flags: [1n, 2n, 4n, 7n] });
  for (let block = 0; block < Math.min(count, MANY); block++) {
    const entry = u64(bat + block * ENTRY_SIZE);
    const start = entry - (entry % 2 ** 20);
    if (entry % 8 < 6 || start >= bytes.length) continue;
    regions.push({ what: `block ${block}`, start, end: Math.min(bytes.length, start + blockSize) });
  }
  const log = u64(HEADER_OFFSETS[0] + 72);
  if (view.getUint32(log, true) === 0x65676f6c) {
    records.push({ what: 'log entry', struct: logEntryHeader, at: log });
    seals.push({ kind: 'crc32c', at: log, length: view.getUint32(log + 8, true), checksumAt: 4 });
  }
  return { endian: 'little', records, tables, regions, seals };
}

/** File offset of the entry of a region in the table at `table`. */
export function regionPlace(bytes: Uint8Array, table: number, guid: string): number {
  for (let at = table + regionTableHeader.size; at < table + TABLE_SIZE; at += regionEntry.size) {
    if (isGuid(bytes, at, guid)) return at;
  }
  throw new Error(`no region ${guid}`);
}

/** File offset of the entry of a metadata item. */
export function itemEntry(bytes: Uint8Array, guid: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const metadata = Number(
    view.getBigUint64(regionPlace(bytes, REGION_TABLE_OFFSETS[0], Guid.metadata) + 16, true),
  );
  for (let at = metadata + metadataEntry.size; at < metadata + TABLE_SIZE; at += metadataEntry.size) {
    if (isGuid(bytes, at, guid)) return at;
  }
  throw new Error(`no item ${guid}`);
}

/** File offset of a metadata item. */
export function itemPlace(bytes: Uint8Array, guid: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entry = itemEntry(bytes, guid);
  const [table] = REGION_TABLE_OFFSETS;
  const metadata = Number(view.getBigUint64(regionPlace(bytes, table, Guid.metadata) + 16, true));
  return metadata + view.getUint32(entry + 16, true);
}

const isGuid = (bytes: Uint8Array, at: number, guid: string): boolean =>
  guidBytes(guid).every((byte, index) => bytes[at + index] === byte);
