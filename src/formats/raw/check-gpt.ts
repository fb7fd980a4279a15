/** Checks a GPT: its two headers and their copies of the entries, each sealed with CRCs, and the partitions. */

import { alignUp, MiB } from '../../binary/align.ts';
import { crc32 } from '../../binary/crc32.ts';
import { bytes, chars, type Decoded, struct, u32, u64 } from '../../binary/struct.ts';
import type { FindingReport } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';

export const gptHeader = struct('GPT header', 92, 'little', {
  signature: chars(0, 8), // 'EFI PART'
  revision: u32(8),
  headerSize: u32(12), // bytes that the CRC is over
  headerCrc: u32(16), // computed with this field zero
  reserved: u32(20),
  myLba: u64(24),
  alternateLba: u64(32),
  firstUsableLba: u64(40),
  lastUsableLba: u64(48),
  diskGuid: bytes(56, 16),
  entriesLba: u64(72),
  entryCount: u32(80),
  entrySize: u32(84), // 128 · 2^n
  entriesCrc: u32(88),
});
type GptHeader = Decoded<typeof gptHeader>;

const SIGNATURE = 'EFI PART';
/** Disks have sectors of one of these sizes; an image does not say which. */
const SECTOR_SIZES = [512, 4096];
/** What entries may take: 128 of 128 bytes are usual. */
const MAX_ENTRIES_BYTES = MiB;

interface FoundHeader {
  readonly header: GptHeader;
  readonly sectorSize: number;
  readonly fileOffset: number;
}

/** Is there a GPT? Without one there are findings only when `isExpected`. */
export async function checkGpt(
  source: ByteSource,
  isExpected: boolean,
  report: FindingReport,
): Promise<boolean> {
  for (const sectorSize of SECTOR_SIZES) {
    const primary = await readHeader(source, sectorSize, sectorSize, report);
    const backupAt = primary
      ? primary.header.alternateLba * sectorSize
      : alignUp(source.size + 1, sectorSize) - 2 * sectorSize;
    const backup = await readHeader(source, backupAt, sectorSize, report);
    if (primary === undefined && backup === undefined) continue;
    if (primary === undefined) {
      const message = () => 'The GPT has a backup header only: the primary one is missing.';
      report.corruption('partition-table', message, { fileOffset: sectorSize });
    }
    if (backup === undefined) reportNoBackup(source, backupAt, report);
    for (const found of [primary, backup]) if (found) await checkHeader(source, found, report);
    const used = primary ?? backup;
    if (used) await checkPartitions(source, used, report);
    return true;
  }
  if (isExpected) {
    const message = () => 'The MBR says that there is a GPT, but there is none.';
    report.corruption('partition-table', message, { fileOffset: 512 });
  }
  return false;
}

function reportNoBackup(source: ByteSource, backupAt: number, report: FindingReport): void {
  const where = backupAt >= source.size ? 'past the end of the disk' : 'missing';
  const message = () => `The backup header of the GPT, at byte ${backupAt}, is ${where}.`;
  report.warning('partition-table', message, { fileOffset: exactOrNone(backupAt) });
}

async function readHeader(
  source: ByteSource,
  fileOffset: number,
  sectorSize: number,
  report: FindingReport,
): Promise<FoundHeader | undefined> {
  if (fileOffset < sectorSize || fileOffset + sectorSize > source.size) return undefined;
  const sector = new Uint8Array(sectorSize);
  await source.read(sector, fileOffset);
  if (String.fromCharCode(...sector.subarray(0, SIGNATURE.length)) !== SIGNATURE) return undefined;
  const header = await report.attempt(async () => gptHeader.decode(sector, fileOffset), { fileOffset });
  if (header === undefined) return undefined;
  const { headerSize, headerCrc } = header;
  if (headerSize < gptHeader.size || headerSize > sectorSize) {
    report.corruption('bad-header', () => `A GPT header of ${headerSize} bytes.`, { fileOffset });
    return { header, sectorSize, fileOffset };
  }
  const { at, size } = gptHeader.fields.headerCrc;
  if (crc32(sector.fill(0, at, at + size).subarray(0, headerSize)) !== headerCrc) {
    const message = () => 'The CRC of a GPT header does not hold.';
    report.corruption('bad-checksum', message, { fileOffset: fileOffset + at });
  }
  return { header, sectorSize, fileOffset };
}

async function checkHeader(
  source: ByteSource,
  { header, sectorSize, fileOffset }: FoundHeader,
  report: FindingReport,
): Promise<void> {
  if (header.myLba * sectorSize !== fileOffset) {
    const message = () => `A GPT header says that it stands in sector ${header.myLba}.`;
    report.corruption('bad-header', message, { fileOffset: fileOffset + 24 });
  }
  const entries = await readEntries(source, header, sectorSize, report);
  if (entries && crc32(entries) !== header.entriesCrc) {
    const message = () => 'The CRC of the GPT partition entries does not hold.';
    report.corruption('bad-checksum', message, { fileOffset: header.entriesLba * sectorSize });
  }
}

async function readEntries(
  source: ByteSource,
  { entriesLba, entryCount, entrySize }: GptHeader,
  sectorSize: number,
  report?: FindingReport,
): Promise<Uint8Array | undefined> {
  const fileOffset = entriesLba * sectorSize;
  const length = entryCount * entrySize;
  if (entrySize < 128 || length > MAX_ENTRIES_BYTES || fileOffset + length > source.size) {
    const message = () =>
      `${entryCount} GPT entries of ${entrySize} bytes at byte ${fileOffset}: not possible.`;
    report?.corruption('bad-table', message, { fileOffset: exactOrNone(fileOffset) });
    return undefined;
  }
  const entries = new Uint8Array(length);
  await source.read(entries, fileOffset);
  return entries;
}

async function checkPartitions(
  source: ByteSource,
  { header, sectorSize }: FoundHeader,
  report: FindingReport,
): Promise<void> {
  const entries = await readEntries(source, header, sectorSize);
  if (entries === undefined) return;
  const view = new DataView(entries.buffer);
  const partitions: { start: number; end: number; fileOffset: number }[] = [];
  for (let at = 0; at < entries.length; at += header.entrySize) {
    if (entries.subarray(at, at + 16).every((byte) => byte === 0)) continue;
    // Numbers that are not exact are past the end of any disk.
    const start = Number(view.getBigUint64(at + 32, true)) * sectorSize;
    const end = (Number(view.getBigUint64(at + 40, true)) + 1) * sectorSize;
    partitions.push({ start, end, fileOffset: header.entriesLba * sectorSize + at });
  }
  partitions.sort((a, b) => a.start - b.start);
  for (const [index, { start, end, fileOffset }] of partitions.entries()) {
    const place = { fileOffset, guestOffset: exactOrNone(start) };
    if (end > source.size) {
      const message = () => `A partition ends at byte ${end}, past the disk of ${source.size} bytes.`;
      report.warning('partition-past-end', message, place);
    }
    const next = partitions[index + 1];
    if (next && next.start < end) {
      const message = () => `The partitions at bytes ${start} and ${next.start} overlap.`;
      report.warning('partition-overlap', message, { ...place, guestOffset: exactOrNone(next.start) });
    }
  }
}

/** A place past the end of any disk is none that can be told. */
const exactOrNone = (offset: number): number | undefined =>
  Number.isSafeInteger(offset) ? offset : undefined;
