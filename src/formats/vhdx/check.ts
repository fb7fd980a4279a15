/**
 * Checks VHDX: both headers, the log, both region tables, the metadata, and where the blocks of the BAT stand. A
 * differencing disk is checked without its parent.
 */

import type { CheckFigures, CheckRequest, FindingReport } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import {
  entryAt,
  isPlaced,
  isStored,
  judgeOf,
  overlaps,
  placedSize,
  type TableOrder,
  type TableShape,
  tableOrder,
} from './block-table.ts';
import { findHeader, isLogEmpty, readCandidates } from './headers.ts';
import { readActiveLog } from './log.ts';
import { readMetadata } from './metadata.ts';
import { readParentLocator } from './parent.ts';
import { headerSection, logRegion } from './reader.ts';
import {
  overlapsOf,
  overlapText,
  type Region,
  type Regions,
  readRegions,
  readRegionTables,
} from './regions.ts';
import { replayedSource } from './replayed.ts';
import { ENTRY_SIZE, MAX_BAT_BYTES, type VhdxHeader } from './structs.ts';

export async function checkVhdx(file: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report } = request;
  const found = await report.attempt(() => checkHeaders(file, report));
  if (found === undefined) return { imageEndOffset: file.size };
  const source = await throughLog(file, found.header, report);
  const regions = source && (await report.attempt(() => checkRegions(source, report)));
  if (source === undefined || regions === undefined) return { imageEndOffset: file.size };
  const reserved: readonly Region[] = [
    headerSection,
    logRegion(found.header, found.fileOffset),
    ...regions.all,
  ];
  for (const [before, region] of overlapsOf(reserved)) {
    report.corruption('overlap', () => overlapText(before, region), { fileOffset: region.referredAt });
  }
  const metadata = await report.attempt(() => readMetadata(source, regions.metadata));
  if (metadata === undefined) return { imageEndOffset: file.size };
  const { hasParent, parentLocator } = metadata;
  if (hasParent && parentLocator) await report.attempt(() => readParentLocator(source, parentLocator));
  return checkTable(source, { ...metadata, tableOffset: regions.bat.start }, regions, reserved, request);
}

async function checkHeaders(file: ByteSource, report: FindingReport) {
  const candidates = await readCandidates(file);
  const found = await findHeader(file);
  for (const { isSound, fileOffset } of candidates) {
    if (isSound) continue;
    // A write that was cut short leaves it like that, and the other one is there for it.
    const message = () => `The checksum of the spare header at byte ${fileOffset} does not hold.`;
    report.warning('bad-checksum', message, { fileOffset });
  }
  return found;
}

/** The file as its log would leave it; undefined when the log is of no use. */
async function throughLog(
  file: ByteSource,
  header: VhdxHeader,
  report: FindingReport,
): Promise<ByteSource | undefined> {
  if (isLogEmpty(header)) return file;
  const log = await report.attempt(() => readActiveLog(file, header, MAX_BAT_BYTES));
  if (log === undefined) return undefined;
  const message = () =>
    `The image was in use when it was last written: ${log.entryCount} entries of its log are not in the file yet.`;
  report.warning('dirty', message, { fileOffset: header.logOffset });
  return replayedSource(file, log);
}

async function checkRegions(source: ByteSource, report: FindingReport): Promise<Regions> {
  const regions = await readRegions(source);
  const [first, second] = await readRegionTables(source);
  for (const table of [first, second]) {
    if (table === undefined || table.isSound) continue;
    const message = () => `The checksum of the region table at byte ${table.fileOffset} does not hold.`;
    report.corruption('bad-checksum', message, { fileOffset: table.fileOffset });
  }
  const isSame = first?.bytes.every((byte, at) => byte === second?.bytes[at]);
  if (first?.isSound && second?.isSound && !isSame) {
    report.corruption('bad-table', () => 'The two region tables differ.', { fileOffset: second.fileOffset });
  }
  return regions;
}

async function checkTable(
  source: ByteSource,
  shape: TableShape,
  { bat, all }: Regions,
  reserved: readonly Region[],
  { report, requireRunning }: CheckRequest<unknown>,
): Promise<CheckFigures> {
  const whole = tableOrder(shape);
  const room = Math.floor((bat.end - bat.start) / ENTRY_SIZE);
  if (room < whole.entryCount) {
    const message = () =>
      `The block allocation table has ${room} entries; the disk needs ${whole.entryCount}.`;
    report.corruption('bad-table', message, { fileOffset: bat.referredAt });
  }
  const order: TableOrder = { ...whole, entryCount: Math.min(room, whole.entryCount) };
  const bytes = await readBytes(
    source,
    bat.start,
    order.entryCount * ENTRY_SIZE,
    'The block allocation table',
  );
  const entries = new Uint32Array(bytes.buffer); // little-endian, as every platform of Node is
  const judge = judgeOf(source.size, shape, order, entries, reserved);
  const bad = new Set<number>();
  let placedCount = 0;
  let allocated = 0;
  let fragmented = 0;
  let next = 0;
  let imageEndOffset = Math.max(...reserved.map(({ end }) => end), ...all.map(({ end }) => end));
  for (let entry = 0; entry < order.entryCount; entry++) {
    requireRunning();
    const problem = judge(entry);
    if (problem) {
      bad.add(entry);
      const { error, kind } = problem;
      report.corruption(kind, () => error.message, error);
      continue;
    }
    reportStrayBitmap(entries, order, shape, entry, report);
    if (!isPlaced(entries, order, shape, entry)) continue;
    placedCount += 1;
    const { state, fileOffset } = entryAt(entries, entry);
    const end = fileOffset + placedSize(order, shape, entry);
    imageEndOffset = Math.max(imageEndOffset, Math.min(end, source.size));
    if (order.blockAt(entry) === undefined || !isStored(state)) continue;
    allocated += 1;
    if (next !== 0 && next !== fileOffset) fragmented += 1;
    next = end;
  }
  for (const { error } of overlaps(shape, order, entries, placedCount, (entry) => bad.has(entry))) {
    report.corruption('overlap', () => error.message, error);
  }
  return {
    imageEndOffset,
    totalClusters: order.blockCount,
    allocatedClusters: allocated,
    fragmentedClusters: fragmented,
    compressedClusters: 0,
  };
}

/** Without a parent the entries of sector bitmaps are zero: QEMU before 8.1 could leave others in them. */
function reportStrayBitmap(
  entries: Uint32Array,
  order: TableOrder,
  { hasParent, tableOffset }: TableShape,
  entry: number,
  report: FindingReport,
): void {
  if (hasParent || order.blockAt(entry) !== undefined || entryAt(entries, entry).state === 0) return;
  const message = () =>
    `Entry ${entry} of the block allocation table is that of a sector bitmap, and says that there is one.`;
  report.warning('sector-bitmap', message, { fileOffset: tableOffset + entry * ENTRY_SIZE });
}
