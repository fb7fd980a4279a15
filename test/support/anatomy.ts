/**
 * Where the structures of a sound image stand, by the specifications: for tests that change one of them, or cut the
 * file beside it. Reads without any check, so it is not for images that are damaged already.
 */

import type { Field, Struct } from '../../src/binary/struct.ts';
import { keySlot, luksHeader } from '../../src/encryption/luks1.ts';
import type { FormatName } from '../../src/formats/index.ts';
import { qcowHeader } from '../../src/formats/qcow/structs.ts';
import {
  additionalHeader,
  baseHeader,
  bitmapEntry,
  bitmapsExtension,
  ExtensionType,
  extensionHeader,
  featureHeader,
  snapshotHeader,
} from '../../src/formats/qcow2/structs.ts';
import { qedHeader } from '../../src/formats/qed/structs.ts';
import { vdiHeader } from '../../src/formats/vdi/structs.ts';
import { parentLocator } from '../../src/formats/vhd/parent.ts';
import { dynamicHeader, vhdFooter } from '../../src/formats/vhd/structs.ts';
import { grainMarker, metadataMarker, sparseHeader } from '../../src/formats/vmdk/structs.ts';
import { PAGE, streamFooter } from '../../src/formats/zvhd-stream/footer.ts';
import { recordHeader, recordLength } from '../../src/formats/zvhd-stream/record.ts';
import { indexEntry } from '../../src/formats/zvhd2/structs.ts';
import { gptHeader } from '../../src/image/partition-table/gpt.ts';
import { vhdxAnatomy } from './anatomy-vhdx.ts';

export type Endian = 'big' | 'little';

type AnyStruct = Pick<Struct<Readonly<Record<string, Field<unknown>>>>, 'name' | 'size' | 'fields'>;

/** A declared record in the file. */
export interface RecordPlace {
  readonly what: string;
  readonly struct: AnyStruct;
  readonly at: number;
}

/** Entries of one size, one after the other. */
export interface TablePlace {
  readonly what: string;
  readonly at: number;
  readonly entrySize: number;
  readonly count: number;
  /** Bytes that a 1 in the place of an entry stands for. */
  readonly unit: number;
  /** Bits that are no part of the place. */
  readonly flags: readonly bigint[];
}

/** Bytes without fields: bitmaps, names, payloads. */
export interface RegionPlace {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

/** A checksum over a record. */
export interface Seal {
  readonly kind: 'ones-complement' | 'gpt' | 'crc32c';
  readonly at: number;
  readonly length: number;
  readonly checksumAt: number;
}

export interface Anatomy {
  readonly endian: Endian;
  readonly records: readonly RecordPlace[];
  readonly tables: readonly TablePlace[];
  readonly regions: readonly RegionPlace[];
  readonly seals: readonly Seal[];
}

/** Of tables, records and payloads by the thousand this many are enough. */
const MANY = 12;

export function anatomyOf(bytes: Uint8Array, format: FormatName): Anatomy {
  return anatomists[format](bytes);
}

/** Offsets in the file at which a structure begins or ends, sorted. */
export function edgesOf({ records, tables, regions }: Anatomy): number[] {
  const edges = [
    ...records.flatMap(({ at, struct }) => [at, at + struct.size]),
    ...tables.flatMap(({ at, entrySize, count }) => [at, at + entrySize, at + entrySize * count]),
    ...regions.flatMap(({ start, end }) => [start, end]),
  ];
  return [...new Set(edges)].sort((a, b) => a - b);
}

interface Draft {
  readonly records: RecordPlace[];
  readonly tables: TablePlace[];
  readonly regions: RegionPlace[];
  readonly seals: Seal[];
}

const blank = (): Draft => ({ records: [], tables: [], regions: [], seals: [] });

const anatomists: { readonly [N in FormatName]: (bytes: Uint8Array) => Anatomy } = {
  raw: rawAnatomy,
  vhd: vhdAnatomy,
  vhdx: vhdxAnatomy,
  qcow2: qcow2Anatomy,
  vdi: vdiAnatomy,
  qcow: qcowAnatomy,
  qed: qedAnatomy,
  vmdk: vmdkAnatomy,
  luks: luksAnatomy,
  zvhd: zvhdAnatomy,
  zvhd2: zvhd2Anatomy,
};

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + length));

function rawAnatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions, seals } = blank();
  if (bytes.length >= 512) {
    tables.push({ what: 'MBR partitions', at: 446, entrySize: 16, count: 4, unit: 512, flags: [] });
    regions.push({ what: 'boot sector', start: 0, end: 512 });
  }
  for (const at of [512, bytes.length - 512]) {
    if (textAt(bytes, at, 8) !== 'EFI PART') continue;
    records.push({ what: 'GPT header', struct: gptHeader, at });
    seals.push({ kind: 'gpt', at, length: gptHeader.size, checksumAt: gptHeader.fields.headerCrc.at });
    const start = Number(viewOf(bytes).getBigUint64(at + 72, true)) * 512;
    tables.push({ what: 'GPT entries', at: start, entrySize: 128, count: 128, unit: 512, flags: [] });
  }
  return { endian: 'little', records, tables, regions, seals };
}

function vhdAnatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions, seals } = blank();
  const view = viewOf(bytes);
  const footer = (at: number, what: string): void => {
    if (textAt(bytes, at, 8) !== 'conectix') return;
    records.push({ what, struct: vhdFooter, at });
    seals.push({ kind: 'ones-complement', at, length: 512, checksumAt: vhdFooter.fields.checksum.at });
  };
  footer(bytes.length - 512, 'footer');
  footer(0, 'copy of the footer');
  const known = records[0]?.at ?? 0;
  const header = view.getBigUint64(known + vhdFooter.fields.dataOffset.at);
  if (header > BigInt(bytes.length - 1024)) return { endian: 'big', records, tables, regions, seals };
  const at = Number(header);
  records.push({ what: 'dynamic header', struct: dynamicHeader, at });
  seals.push({ kind: 'ones-complement', at, length: 1024, checksumAt: dynamicHeader.fields.checksum.at });
  for (let index = 0; index < 8; index++) {
    const place = at + dynamicHeader.fields.parentLocatorEntries.at + index * parentLocator.size;
    if (textAt(bytes, place, 2) === 'W2') {
      records.push({ what: `parent locator ${index}`, struct: parentLocator, at: place });
    }
  }
  const table = Number(view.getBigUint64(at + dynamicHeader.fields.tableOffset.at));
  const count = view.getUint32(at + dynamicHeader.fields.maxTableEntries.at);
  const blockSize = view.getUint32(at + dynamicHeader.fields.blockSize.at);
  const bitmapSize = Math.ceil(blockSize / 512 / 8 / 512) * 512;
  tables.push({ what: 'BAT', at: table, entrySize: 4, count, unit: 512, flags: [] });
  for (let block = 0; block < Math.min(count, MANY); block++) {
    const start = view.getUint32(table + block * 4) * 512;
    if (start + bitmapSize > bytes.length) continue;
    regions.push({ what: `bitmap of block ${block}`, start, end: start + bitmapSize });
    const end = Math.min(bytes.length, start + bitmapSize + blockSize);
    regions.push({ what: `data of block ${block}`, start: start + bitmapSize, end });
  }
  return { endian: 'big', records, tables, regions, seals };
}

/** The tables of two levels of entries of 64 bits. */
function twoLevels(
  bytes: Uint8Array,
  draft: Draft,
  shape: { at: number; count: number; l2Count: number; isLittle: boolean; flags: readonly bigint[] },
): void {
  const view = viewOf(bytes);
  const entry = { entrySize: 8, unit: 1, flags: shape.flags };
  const { at, count, l2Count, isLittle } = shape;
  draft.tables.push({ what: 'L1', at, count, ...entry });
  for (let index = 0, seen = 0; index < count && seen < MANY; index++) {
    const l2 = Number(view.getBigUint64(at + index * 8, isLittle));
    if (l2 === 0 || l2 + l2Count * 8 > bytes.length) continue;
    seen += 1;
    draft.tables.push({ what: `L2 ${index}`, at: l2, count: l2Count, ...entry });
  }
}

function qcowAnatomy(bytes: Uint8Array): Anatomy {
  const draft = blank();
  const header = qcowHeader.decode(bytes, 0);
  draft.records.push({ what: 'header', struct: qcowHeader, at: 0 });
  const l2Count = 2 ** header.l2Bits;
  const count = Math.ceil(header.size / (2 ** header.clusterBits * l2Count));
  twoLevels(bytes, draft, {
    at: header.l1TableOffset,
    count,
    l2Count,
    isLittle: false,
    flags: [COMPRESSED_V1],
  });
  const { backingFileOffset: start, backingFileSize: size } = header;
  if (start > 0) draft.regions.push({ what: 'name of the backing file', start, end: start + size });
  return { endian: 'big', ...draft };
}

const COMPRESSED_V1 = 1n << 63n;

function qedAnatomy(bytes: Uint8Array): Anatomy {
  const draft = blank();
  const header = qedHeader.decode(bytes, 0);
  draft.records.push({ what: 'header', struct: qedHeader, at: 0 });
  const l2Count = (header.clusterSize * header.tableSize) / 8;
  const count = Math.ceil(header.imageSize / (header.clusterSize * l2Count));
  twoLevels(bytes, draft, { at: header.l1TableOffset, count, l2Count, isLittle: true, flags: [] });
  const { backingFilenameOffset: start, backingFilenameSize: size } = header;
  if (size > 0) draft.regions.push({ what: 'name of the backing file', start, end: start + size });
  return { endian: 'little', ...draft };
}

function luksAnatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions, seals } = blank();
  records.push({ what: 'header', struct: luksHeader, at: 0 });
  const { keyBytes, payloadOffset } = luksHeader.decode(bytes, 0);
  for (let slot = 0; slot < 8; slot++) {
    const at = luksHeader.size + slot * keySlot.size;
    records.push({ what: `key slot ${slot}`, struct: keySlot, at });
    const start = keySlot.decode(bytes.subarray(at), at).keyMaterialOffset * 512;
    regions.push({ what: `key material ${slot}`, start, end: start + keyBytes * 4000 });
  }
  regions.push({ what: 'data', start: payloadOffset * 512, end: bytes.length });
  return { endian: 'big', records, tables, regions, seals };
}

function vdiAnatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions, seals } = blank();
  const view = viewOf(bytes);
  records.push({ what: 'header', struct: vdiHeader, at: 0 });
  const { mapOffset, dataOffset, blockSize, blockCount } = vdiHeader.fields;
  const at = view.getUint32(mapOffset.at, true);
  const count = view.getUint32(blockCount.at, true);
  tables.push({ what: 'block map', at, entrySize: 4, count, unit: 1, flags: [] });
  for (let block = 0; block < Math.min(count, MANY); block++) {
    const size = view.getUint32(blockSize.at, true);
    const start = view.getUint32(dataOffset.at, true) + view.getUint32(at + block * 4, true) * size;
    if (start >= bytes.length) continue;
    regions.push({ what: `block ${block}`, start, end: Math.min(bytes.length, start + size) });
  }
  return { endian: 'little', records, tables, regions, seals };
}

function vmdkAnatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions, seals } = blank();
  const view = viewOf(bytes);
  if (textAt(bytes, 0, 4) !== 'KDMV') {
    regions.push({ what: 'descriptor', start: 0, end: bytes.length });
    return { endian: 'little', records, tables, regions, seals };
  }
  records.push({ what: 'header', struct: sparseHeader, at: 0 });
  let header = sparseHeader.decode(bytes, 0);
  const isCompressed = header.compressAlgorithm === 1;
  if (header.gdOffset === 2n ** 64n - 1n) {
    const at = bytes.length - 1536;
    records.push({ what: 'footer marker', struct: metadataMarker, at });
    records.push({ what: 'footer', struct: sparseHeader, at: at + 512 });
    records.push({ what: 'end of stream', struct: metadataMarker, at: at + 1024 });
    header = sparseHeader.decode(bytes.subarray(at + 512), at + 512);
  }
  const start = header.descriptorOffset * 512;
  regions.push({ what: 'descriptor', start, end: start + header.descriptorSize * 512 });
  const grainSize = header.grainSize * 512;
  const count = Math.ceil(header.capacity / header.grainSize / header.numGTEsPerGT);
  const entry = { entrySize: 4, unit: 512, flags: [] };
  const directories: [what: string, sector: number][] = [['directory', Number(header.gdOffset)]];
  if ((header.flags & 2) !== 0 && header.rgdOffset > 0)
    directories.push(['redundant directory', header.rgdOffset]);
  let grains = 0;
  for (const [what, sector] of directories) {
    tables.push({ what, at: sector * 512, count, ...entry });
    for (let index = 0; index < Math.min(count, MANY); index++) {
      const at = view.getUint32(sector * 512 + index * 4, true) * 512;
      if (at === 0) continue;
      tables.push({ what: `${what}: table`, at, count: header.numGTEsPerGT, ...entry });
      for (let slot = 0; slot < header.numGTEsPerGT && grains < MANY; slot++) {
        const grain = view.getUint32(at + slot * 4, true) * 512;
        if (grain < 1024 || what !== 'directory') continue;
        grains += 1;
        if (isCompressed) records.push({ what: `grain ${grains}`, struct: grainMarker, at: grain });
        const length = isCompressed ? view.getUint32(grain + 8, true) : grainSize;
        const begin = isCompressed ? grain + 12 : grain;
        const end = Math.min(bytes.length, begin + length);
        regions.push({ what: `data of grain ${grains}`, start: begin, end });
      }
    }
  }
  return { endian: 'little', records, tables, regions, seals };
}

const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;

function qcow2Anatomy(bytes: Uint8Array): Anatomy {
  const { records, tables, regions } = blank();
  const view = viewOf(bytes);
  const header = baseHeader.decode(bytes, 0);
  const clusterSize = 2 ** header.clusterBits;
  records.push({ what: 'header', struct: baseHeader, at: 0 });
  let headerLength = baseHeader.size;
  let isExtended = false;
  let refcountBits = 16;
  if (header.version === 3) {
    const features = featureHeader.decode(bytes.subarray(72), 72);
    headerLength = features.headerLength;
    isExtended = (features.incompatibleFeatures & 16n) !== 0n;
    refcountBits = 2 ** features.refcountOrder;
    records.push({ what: 'header of version 3', struct: featureHeader, at: 72 });
    if (headerLength >= 112) records.push({ what: 'additional fields', struct: additionalHeader, at: 104 });
  }
  const extensionsEnd = header.backingFileOffset > 0 ? header.backingFileOffset : clusterSize;
  for (let at = headerLength; at + 8 <= extensionsEnd; ) {
    const { type, length } = extensionHeader.decode(bytes.subarray(at), at);
    records.push({ what: `extension 0x${type.toString(16)}`, struct: extensionHeader, at });
    if (type === ExtensionType.end) break;
    regions.push({ what: `data of extension 0x${type.toString(16)}`, start: at + 8, end: at + 8 + length });
    if (type === ExtensionType.bitmaps) bitmapAnatomy(bytes, at + 8, records, tables);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  if (header.backingFileOffset > 0) {
    const start = header.backingFileOffset;
    regions.push({ what: 'name of the backing file', start, end: start + header.backingFileSize });
  }
  const entry = { entrySize: 8, unit: 1, flags: [COPIED] };
  const entrySize = isExtended ? 16 : 8;
  const l1Table = (what: string, at: number, count: number): void => {
    tables.push({ what, at, count, ...entry });
    for (let index = 0, seen = 0; index < count && seen < MANY; index++) {
      const l2 = Number(view.getBigUint64(at + index * 8) & 0x00ff_ffff_ffff_fe00n);
      if (l2 === 0 || l2 + clusterSize > bytes.length) continue;
      seen += 1;
      const flags = [COPIED, COMPRESSED, ZERO];
      tables.push({
        ...entry,
        what: `${what}: L2`,
        at: l2,
        count: clusterSize / entrySize,
        entrySize,
        flags,
      });
    }
  };
  l1Table('L1', header.l1TableOffset, header.l1Size);
  for (let index = 0, at = header.snapshotsOffset; index < header.nbSnapshots; index++) {
    const snapshot = snapshotHeader.decode(bytes.subarray(at), at);
    records.push({ what: `snapshot ${index + 1}`, struct: snapshotHeader, at });
    const names = snapshot.extraLength + snapshot.idLength + snapshot.nameLength;
    regions.push({ what: `names of snapshot ${index + 1}`, start: at + 40, end: at + 40 + names });
    l1Table(`L1 of snapshot ${index + 1}`, snapshot.l1TableOffset, snapshot.l1Size);
    at += Math.ceil((40 + names) / 8) * 8;
  }
  const refcounts = header.refcountTableOffset;
  const blocks = (header.refcountTableClusters * clusterSize) / 8;
  tables.push({ ...entry, what: 'refcount table', at: refcounts, count: blocks, flags: [] });
  for (let index = 0, seen = 0; index < blocks && seen < MANY; index++) {
    if (refcounts + index * 8 + 8 > bytes.length) break;
    const at = Number(view.getBigUint64(refcounts + index * 8));
    if (at === 0 || at + clusterSize > bytes.length) continue;
    seen += 1;
    const size = Math.max(1, refcountBits / 8);
    tables.push({ ...entry, what: 'refcount block', at, entrySize: size, count: clusterSize / size });
  }
  return { endian: 'big', records, tables, regions, seals: [] };
}

function bitmapAnatomy(bytes: Uint8Array, at: number, records: RecordPlace[], tables: TablePlace[]): void {
  records.push({ what: 'bitmaps extension', struct: bitmapsExtension, at });
  const { count, directoryOffset } = bitmapsExtension.decode(bytes.subarray(at), at);
  for (let index = 0, place = directoryOffset; index < count; index++) {
    const entry = bitmapEntry.decode(bytes.subarray(place), place);
    records.push({ what: `bitmap ${index + 1}`, struct: bitmapEntry, at: place });
    const table = { what: `table of bitmap ${index + 1}`, at: entry.tableOffset, count: entry.tableSize };
    tables.push({ ...table, entrySize: 8, unit: 1, flags: [1n] });
    place += Math.ceil((bitmapEntry.size + entry.extraLength + entry.nameLength) / 8) * 8;
  }
}

const streamSeal = (at: number): Seal => ({
  kind: 'ones-complement',
  at,
  length: streamFooter.size,
  checksumAt: streamFooter.fields.checksum.at,
});

function footersAt(places: readonly (readonly [what: string, at: number])[], draft: Draft): void {
  for (const [what, at] of places) {
    draft.records.push({ what, struct: streamFooter, at });
    draft.seals.push(streamSeal(at));
  }
}

/** Records from the first one on, as they follow each other. */
function recordsFrom(bytes: Uint8Array, end: number, { records, regions }: Draft): void {
  const view = viewOf(bytes);
  for (let at = PAGE, index = 0; at + recordHeader.size <= end && index < MANY; index++) {
    if (textAt(bytes, at, 8) !== 'hwstream') return;
    const payload = view.getUint32(at + recordHeader.fields.payloadLength.at, true);
    const start = at + recordHeader.size;
    records.push({ what: `record ${index}`, struct: recordHeader, at });
    regions.push({ what: `payload of record ${index}`, start, end: start + payload });
    at += recordLength(payload);
    regions.push({ what: `end mark of record ${index}`, start: at - 4, end: at });
  }
}

function zvhdAnatomy(bytes: Uint8Array): Anatomy {
  const draft = blank();
  const last = bytes.length - PAGE;
  footersAt([['last footer', last]], draft);
  if (last > 0) footersAt([['first footer', 0]], draft);
  recordsFrom(bytes, last, draft);
  return { endian: 'little', ...draft };
}

function zvhd2Anatomy(bytes: Uint8Array): Anatomy {
  const draft = blank();
  const view = viewOf(bytes);
  const final = bytes.length - PAGE;
  const index = Number(view.getBigUint64(final + streamFooter.fields.indexOffset.at, true));
  const bitmap = Number(view.getBigUint64(final + streamFooter.fields.bitmapOffset.at, true));
  const bitmapSize = view.getUint32(final + streamFooter.fields.bitmapSize.at, true);
  const count = view.getUint32(final + streamFooter.fields.nonZeroBlockCount.at, true);
  footersAt(
    [
      ['final footer', final],
      ['initial footer', 0],
      ['middle footer', index - PAGE],
    ],
    draft,
  );
  recordsFrom(bytes, index - PAGE, draft);
  for (let entry = 0; entry < Math.min(count, MANY); entry++) {
    draft.records.push({ what: `index entry ${entry}`, struct: indexEntry, at: index + entry * 16 });
  }
  draft.tables.push({ what: 'index', at: index, entrySize: 16, count, unit: 1, flags: [] });
  draft.regions.push({ what: 'bitmap', start: bitmap, end: bitmap + bitmapSize });
  draft.regions.push({ what: 'start of the bitmap', start: bitmap, end: bitmap + 2 });
  return { endian: 'little', ...draft };
}
