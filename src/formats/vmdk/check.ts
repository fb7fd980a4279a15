/**
 * Checks VMDK: the header, the descriptor, and where the tables and the grains stand, no two on the same bytes; the
 * redundant tables against the others; the marker of every compressed grain and, with the data, its payload.
 */

import { ceilDiv, SECTOR } from '../../binary/align.ts';
import type { CheckFigures, CheckRequest, FindingPlace, FindingReport } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { cowdHeader, hasCowdMagic, readCowd } from './cowd.ts';
import { type Descriptor, isDescriptor } from './descriptor.ts';
import { readStoredLength, unpackGrain } from './grain.ts';
import { directoryEntries, type GrainShape } from './grain-tables.ts';
import { FOOTER_LENGTH, readHeader, type SoundHeader, shapeOf } from './header.ts';
import { diskSize, MAX_DIRECTORY_BYTES, readEmbedded, readSplit } from './reader.ts';
import { type SectorMap, sectorMap } from './sector-map.ts';
import { hasSeSparseMagic, openSeSparse, readSeSparse, SE_GRAIN, SE_TABLE_SPAN } from './sesparse.ts';
import { sparseHeader, UNUSED_GRAIN, ZERO_GRAIN } from './structs.ts';

export async function checkVmdk(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const head = await readBytes(source, 0, Math.min(source.size, SECTOR), 'The header');
  if (isDescriptor(head)) return checkSplit(source, request);
  if (hasSeSparseMagic(head)) return checkSeSparse(source, request);
  return hasCowdMagic(head) ? checkCowd(source, request) : checkSparse(source, request);
}

/** A descriptor alone: the files that it names are not opened. */
async function checkSplit(source: ByteSource, { report }: CheckRequest<unknown>): Promise<CheckFigures> {
  const descriptor = await report.attempt(() => readSplit(source));
  if (descriptor) reportUnknownKeys(descriptor, 0, report);
  return { imageEndOffset: source.size };
}

async function checkCowd(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const own = await request.report.attempt(() => readCowd(source));
  if (own === undefined) return { imageEndOffset: source.size };
  const check = beginCheck(source, own, undefined, request);
  claim(check, 'header', 0, own.reservedEnd, { fileOffset: 0 });
  return checkTables(check, cowdHeader.fields.gdOffset.at);
}

/** All grains are where the tables say, and none is used twice; the free bitmap and the way back are not looked at. */
async function checkSeSparse(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report } = request;
  const own = await report.attempt(() => readSeSparse(source));
  const place = { guestStart: 0, fileStart: 0, length: own?.capacity ?? 0, hole: 'zero' as const };
  const extents = own && (await report.attempt(() => openSeSparse(source, own, place, MAX_DIRECTORY_BYTES)));
  if (own === undefined || extents === undefined) return { imageEndOffset: source.size };
  const used = sectorMap(source.size);
  let allocated = 0;
  for (let from = 0; from < own.capacity; from += SE_TABLE_SPAN) {
    request.requireRunning();
    await report.attempt(async () => {
      for await (const extent of extents(from, Math.min(own.capacity, from + SE_TABLE_SPAN))) {
        if (extent.kind !== 'data') continue;
        const { fileOffset, length, guestOffset } = extent;
        allocated += ceilDiv(length, SE_GRAIN);
        if (used.claim(fileOffset, length)) continue;
        const message = () => `Of the grains from byte ${fileOffset} on, one is used twice.`;
        report.corruption('overlap', message, { fileOffset, guestOffset });
      }
    });
  }
  return {
    imageEndOffset: used.end,
    totalClusters: ceilDiv(own.capacity, SE_GRAIN),
    allocatedClusters: allocated,
  };
}

async function checkSparse(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const sound = await request.report.attempt(() => readHeader(source, false));
  if (sound === undefined) return { imageEndOffset: source.size };
  const capacity = await checkDescriptor(source, sound, request);
  checkHeader(source, sound, request);
  const check = beginCheck(source, { ...shapeOf(sound), capacity }, sound.redundantOffset, request);
  claim(check, 'header', 0, sparseHeader.size, { fileOffset: 0 });
  if (sound.descriptor) {
    const { fileOffset, length } = sound.descriptor;
    claim(check, 'descriptor', fileOffset, length, { fileOffset: sparseHeader.fields.descriptorOffset.at });
  }
  if (sound.footerOffset !== undefined) {
    const fileOffset = source.size - FOOTER_LENGTH;
    claim(check, 'footer', fileOffset, FOOTER_LENGTH, { fileOffset });
  }
  return checkTables(check, (sound.footerOffset ?? 0) + sparseHeader.fields.gdOffset.at);
}

const beginCheck = (
  source: ByteSource,
  own: Omit<GrainShape, 'hole' | 'guestStart' | 'fileStart'>,
  redundantOffset: number | undefined,
  request: CheckRequest<unknown>,
): VmdkCheck => ({
  source,
  shape: { ...own, hole: 'zero', guestStart: 0, fileStart: 0 },
  redundantOffset,
  request,
  used: sectorMap(source.size),
  figures: { allocated: 0, fragmented: 0, compressed: 0, next: 0 },
  scratch: new Uint8Array(request.readsData && own.isCompressed ? own.grainSize : 0),
});

/** The directory, its tables and all grains; the redundant ones too. @param referredAt the field that tells its place */
async function checkTables(check: VmdkCheck, referredAt: number): Promise<CheckFigures> {
  const { shape, redundantOffset, request, figures } = check;
  const { directoryOffset, capacity, grainSize } = shape;
  const directory = await readDirectory(check, directoryOffset, referredAt);
  const redundant =
    redundantOffset === undefined
      ? undefined
      : await readDirectory(check, redundantOffset, sparseHeader.fields.rgdOffset.at);
  for (let index = 0; index < (directory?.length ?? 0); index++) {
    request.requireRunning();
    const table = await readTable(check, directoryOffset, directory as Uint32Array, index);
    if (table) await checkGrains(check, table, index);
    if (redundant && redundantOffset !== undefined) {
      compareTables(check, index, table, await readTable(check, redundantOffset, redundant, index));
    }
  }
  return {
    imageEndOffset: check.used.end,
    totalClusters: ceilDiv(capacity, grainSize),
    allocatedClusters: figures.allocated,
    fragmentedClusters: figures.fragmented,
    compressedClusters: figures.compressed,
  };
}

interface VmdkCheck {
  readonly source: ByteSource;
  readonly shape: GrainShape;
  /** File offset of the redundant grain directory, where there is one. */
  readonly redundantOffset: number | undefined;
  readonly request: CheckRequest<unknown>;
  readonly used: SectorMap;
  readonly figures: { allocated: number; fragmented: number; compressed: number; next: number };
  /** Room for a decoded grain. */
  readonly scratch: Uint8Array;
}

/** Returns the bytes of the disk. */
async function checkDescriptor(
  source: ByteSource,
  sound: SoundHeader,
  { report }: CheckRequest<unknown>,
): Promise<number> {
  const descriptor = await report.attempt(() => readEmbedded(source, sound));
  if (descriptor === undefined) return sound.capacity;
  const fileOffset = sound.descriptor?.fileOffset;
  reportUnknownKeys(descriptor, fileOffset, report);
  const { capacity, notes } = diskSize(sound, descriptor);
  for (const { message } of notes) report.warning('bad-header', () => message, { fileOffset });
  return capacity;
}

function reportUnknownKeys(
  { unknownKeys }: Descriptor,
  fileOffset: number | undefined,
  report: FindingReport,
): void {
  for (const key of unknownKeys) {
    report.warning('bad-header', () => `The descriptor has a key that is not known: ${key}.`, { fileOffset });
  }
}

function checkHeader(source: ByteSource, { header }: SoundHeader, { report }: CheckRequest<unknown>): void {
  if (header.uncleanShutdown !== 0) {
    const message = () => 'The disk was not closed cleanly.';
    report.warning('dirty', message, { fileOffset: sparseHeader.fields.uncleanShutdown.at });
  }
  if (header.overHead * SECTOR > source.size) {
    const message = () =>
      `The grains should begin at byte ${header.overHead * SECTOR}, but the file has only ${source.size} bytes.`;
    report.corruption('truncated', message, { fileOffset: sparseHeader.fields.overHead.at });
  }
}

/** Takes a range of the file for one use; reports it when it has another one. */
function claim(
  { used, request }: VmdkCheck,
  what: string,
  fileOffset: number,
  length: number,
  place: FindingPlace,
): void {
  if (used.claim(fileOffset, length)) return;
  request.report.corruption(
    'overlap',
    () => `The ${what} at byte ${fileOffset} stands on something else.`,
    place,
  );
}

/** @param referredAt the field that tells its place */
async function readDirectory(
  check: VmdkCheck,
  fileOffset: number,
  referredAt: number,
): Promise<Uint32Array | undefined> {
  const { source, shape, request } = check;
  const length = directoryEntries(shape) * 4;
  const place = { fileOffset: referredAt };
  const bytes = await request.report.attempt(
    () => readBytes(source, fileOffset, length, 'A grain directory'),
    place,
  );
  if (bytes === undefined) return undefined;
  claim(check, 'grain directory', fileOffset, length, place);
  return new Uint32Array(bytes.buffer);
}

interface Table {
  readonly entries: Uint32Array;
  readonly fileOffset: number;
}

/** Undefined where there is none, and where it is not in the file. */
async function readTable(
  check: VmdkCheck,
  directoryOffset: number,
  directory: Uint32Array,
  index: number,
): Promise<Table | undefined> {
  const { source, shape, request } = check;
  const fileOffset = (directory[index] as number) * SECTOR;
  if (fileOffset === 0) return undefined;
  const length = shape.tableEntries * 4;
  const place = {
    fileOffset: directoryOffset + index * 4,
    guestOffset: index * shape.tableEntries * shape.grainSize,
  };
  if (fileOffset + length > source.size) {
    const message = () =>
      `A grain table should end at byte ${fileOffset + length}, but the file has only ${source.size} bytes.`;
    request.report.corruption('past-end', message, place);
    return undefined;
  }
  claim(check, 'grain table', fileOffset, length, place);
  const bytes = await readBytes(source, fileOffset, length, 'A grain table');
  return { entries: new Uint32Array(bytes.buffer), fileOffset };
}

async function checkGrains(check: VmdkCheck, { entries, fileOffset }: Table, index: number): Promise<void> {
  const { shape, source, request, figures } = check;
  const { report } = request;
  for (let slot = 0; slot < entries.length; slot++) {
    const entry = entries[slot] as number;
    if (entry === UNUSED_GRAIN || (entry === ZERO_GRAIN && shape.hasZeroGrains)) continue;
    const guestOffset = (index * shape.tableEntries + slot) * shape.grainSize;
    const place = { fileOffset: fileOffset + slot * 4, guestOffset };
    if (guestOffset >= shape.capacity) {
      report.warning('unused-space', () => 'A grain is stored that is past the end of the disk.', place);
    }
    const offset = entry * SECTOR;
    const length = shape.isCompressed
      ? await report.attempt(() => checkRecord(check, offset, guestOffset), place)
      : shape.grainSize;
    if (length === undefined) continue;
    figures.allocated += 1;
    if (shape.isCompressed) figures.compressed += 1;
    if (figures.next !== 0 && figures.next !== offset) figures.fragmented += 1;
    figures.next = offset + ceilDiv(length, SECTOR) * SECTOR;
    if (offset + length > source.size) {
      const message = () =>
        `A grain should end at byte ${offset + length}, but the file has only ${source.size} bytes.`;
      report.corruption('past-end', message, place);
      continue;
    }
    claim(check, 'grain', offset, length, place);
  }
}

/** Bytes of a compressed grain with its marker; its payload is decoded where data is read. */
async function checkRecord(
  { source, shape, request, scratch }: VmdkCheck,
  fileOffset: number,
  guestOffset: number,
): Promise<number> {
  const place = { guestOffset, extentStart: 0 };
  const length = await readStoredLength(source, fileOffset, place, shape.grainSize);
  request.requireRunning();
  if (!request.readsData || fileOffset + length > source.size) return length;
  const stored = await readBytes(source, fileOffset, length, 'A grain');
  const onDisk = Math.max(1, Math.min(shape.grainSize, shape.capacity - guestOffset));
  unpackGrain(stored, fileOffset, place, onDisk, scratch);
  return length;
}

function compareTables(
  { shape, redundantOffset, request }: VmdkCheck,
  index: number,
  table: Table | undefined,
  copy: Table | undefined,
): void {
  const isSame =
    table && copy ? table.entries.every((entry, slot) => entry === copy.entries[slot]) : table === copy;
  if (isSame) return;
  const place = {
    fileOffset: copy?.fileOffset ?? (redundantOffset ?? 0) + index * 4,
    guestOffset: index * shape.tableEntries * shape.grainSize,
  };
  request.report.warning('bad-table', () => 'A grain table and its redundant copy differ.', place);
}
