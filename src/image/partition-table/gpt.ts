/**
 * The GUID partition table: a header and an array of entries behind the first sector, and a copy of both at the end of
 * the disk, each sealed with CRCs (UEFI Specification, "GUID Partition Table Disk Layout").
 */

import { alignUp, ceilDiv, MiB } from '../../binary/align.ts';
import { crc32 } from '../../binary/crc32.ts';
import { guidText } from '../../binary/guid.ts';
import { bits64, bytes, chars, type Decoded, struct, u32, u64 } from '../../binary/struct.ts';
import { BudgetError, CorruptImageError } from '../../errors.ts';
import type { ByteRange } from '../../io/source.ts';
import { exactOrNone, type ReportFlaw, reportPlaces, type TableDisk, type TablePartition } from './table.ts';

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

export const gptEntry = struct('GPT partition entry', 128, 'little', {
  type: bytes(0, 16), // zeros: the entry is not used
  uuid: bytes(16, 16),
  firstLba: bits64(32),
  lastLba: bits64(40), // the last one that belongs to it
  attributes: bits64(48),
  name: bytes(56, 72), // UTF-16, ended by a zero
});

const SIGNATURE = 'EFI PART';
const LEGACY_BOOT = 4n;
/** Disks have sectors of one of these sizes; an image does not say which. */
const SECTOR_SIZES = [512, 4096];
/** What entries may take: 128 of 128 bytes are usual. */
const MAX_ENTRIES_BYTES = MiB;

export interface Gpt {
  readonly sectorSize: number;
  readonly diskId: string;
  readonly partitions: readonly TablePartition[];
  readonly tailLength: number;
  readonly backupRanges: readonly ByteRange[];
}

/** One of the two copies. */
interface Copy {
  readonly header: GptHeader;
  readonly offset: number;
  /** Undefined where they cannot be where the header says. */
  readonly entries: Uint8Array | undefined;
  /** Do the seals of header and entries hold? */
  readonly isSound: boolean;
}

/** The table of the disk by the copy that is sound, the primary one first; undefined where there is none. Both are checked. */
export async function readGpt(disk: TableDisk, report: ReportFlaw): Promise<Gpt | undefined> {
  for (const sectorSize of SECTOR_SIZES) {
    const lastSector = alignUp(disk.size + 1, sectorSize) - 2 * sectorSize;
    const primary = await readCopy(disk, sectorSize, sectorSize, report);
    const named = primary?.isSound ? primary.header.alternateLba * sectorSize : lastSector;
    const places = named === lastSector ? [named] : [named, lastSector];
    const { backup, isOutOfReach } = await readBackup(disk, places, sectorSize, report);
    const used = [primary, backup].find((copy) => copy?.isSound) ?? primary ?? backup;
    if (used === undefined) continue;
    if (isOutOfReach) reportOutOfReach(named, report);
    else reportCopies(disk, primary, backup, named, lastSector, report);
    const { header } = used;
    const partitions = decodeEntries(used, sectorSize, report);
    reportPlaces(partitions, disk.size, report);
    const other = used === primary ? backup : primary;
    if (other !== undefined && !haveSameEntries(used, other))
      reportPlaces(decodeEntries(other, sectorSize, report), disk.size, report);
    const entriesLength = header.entryCount * header.entrySize;
    return {
      sectorSize,
      diskId: guidText(header.diskGuid),
      partitions,
      tailLength: used.entries === undefined ? 0 : (1 + ceilDiv(entriesLength, sectorSize)) * sectorSize,
      backupRanges: backup === undefined ? [] : rangesOf(backup, sectorSize),
    };
  }
  return undefined;
}

/** The first of `places` that has a backup. Where reading costs too much, the primary copy has to do. */
async function readBackup(
  disk: TableDisk,
  places: readonly number[],
  sectorSize: number,
  report: ReportFlaw,
): Promise<{ readonly backup: Copy | undefined; readonly isOutOfReach: boolean }> {
  try {
    for (const place of places) {
      const backup = await readCopy(disk, place, sectorSize, report);
      if (backup !== undefined) return { backup, isOutOfReach: false };
    }
    return { backup: undefined, isOutOfReach: false };
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
    return { backup: undefined, isOutOfReach: true };
  }
}

function reportOutOfReach(offset: number, report: ReportFlaw): void {
  const message = `The backup header of the GPT, at byte ${offset}, was not looked at: that takes too much reading.`;
  report({ code: 'gpt-backup-not-read', severity: 'info', message, offset: exactOrNone(offset) });
}

function rangesOf({ header, offset, entries }: Copy, sectorSize: number): ByteRange[] {
  const own = { start: offset, end: offset + sectorSize };
  if (entries === undefined) return [own];
  const start = header.entriesLba * sectorSize;
  const array = { start, end: alignUp(start + entries.length, sectorSize) };
  return [own, array].sort((a, b) => a.start - b.start);
}

const haveSameEntries = (a: Copy, b: Copy): boolean =>
  a.header.entriesCrc === b.header.entriesCrc && a.isSound && b.isSound;

function reportCopies(
  disk: TableDisk,
  primary: Copy | undefined,
  backup: Copy | undefined,
  named: number,
  lastSector: number,
  report: ReportFlaw,
): void {
  if (primary === undefined) {
    const message = 'The GPT has a backup header only: the primary one is missing.';
    report({ code: 'gpt-primary-missing', severity: 'error', message, offset: backup?.offset });
  }
  if (backup === undefined) {
    const where = named >= disk.size ? 'past the end of the disk' : 'missing';
    const message = `The backup header of the GPT, at byte ${named}, is ${where}.`;
    report({ code: 'gpt-backup-missing', severity: 'warning', message, offset: exactOrNone(named) });
    return;
  }
  if (backup.offset < lastSector) {
    const behind = lastSector - backup.offset;
    const message = `The backup header of the GPT, at byte ${backup.offset}, is not at the end of the disk: ${behind} bytes behind it are out of reach of partitions.`;
    report({ code: 'gpt-backup-not-at-end', severity: 'info', message, offset: backup.offset });
  }
  const areSound = (primary?.isSound ?? false) && backup.isSound;
  if (areSound && primary?.header.entriesCrc !== backup.header.entriesCrc) {
    const message = 'The two copies of the GPT tell different partitions.';
    report({ code: 'gpt-backup-differs', severity: 'warning', message, offset: backup.offset });
  }
}

async function readCopy(
  disk: TableDisk,
  offset: number,
  sectorSize: number,
  report: ReportFlaw,
): Promise<Copy | undefined> {
  if (offset < sectorSize || offset + sectorSize > disk.size) return undefined;
  const sector = (await disk.read(offset, sectorSize)).slice();
  if (String.fromCharCode(...sector.subarray(0, SIGNATURE.length)) !== SIGNATURE) return undefined;
  const header = decodeHeader(sector, offset, report);
  if (header === undefined) return undefined;
  const isHeaderSound = checkHeader(header, sector, offset, sectorSize, report);
  const entries = await readEntries(disk, header, sectorSize, report);
  const areEntriesSound = entries !== undefined && crc32(entries) === header.entriesCrc;
  if (entries !== undefined && !areEntriesSound) {
    const message = 'The CRC of the GPT partition entries does not hold.';
    const at = header.entriesLba * sectorSize;
    report({ code: 'gpt-bad-checksum', severity: 'error', message, offset: exactOrNone(at) });
  }
  return { header, offset, entries, isSound: isHeaderSound && areEntriesSound };
}

function decodeHeader(sector: Uint8Array, offset: number, report: ReportFlaw): GptHeader | undefined {
  try {
    return gptHeader.decode(sector, offset);
  } catch (error) {
    if (!(error instanceof CorruptImageError)) throw error;
    report({ code: 'gpt-bad-header', severity: 'error', message: error.message, offset: error.fileOffset });
    return undefined;
  }
}

function checkHeader(
  { headerSize, headerCrc, myLba }: GptHeader,
  sector: Uint8Array,
  offset: number,
  sectorSize: number,
  report: ReportFlaw,
): boolean {
  const { at, size } = gptHeader.fields.headerCrc;
  if (headerSize < gptHeader.size || headerSize > sectorSize) {
    const message = `A GPT header of ${headerSize} bytes.`;
    report({ code: 'gpt-bad-header', severity: 'error', message, offset });
    return false;
  }
  const doesSealHold = crc32(sector.fill(0, at, at + size).subarray(0, headerSize)) === headerCrc;
  if (!doesSealHold) {
    const message = 'The CRC of a GPT header does not hold.';
    report({ code: 'gpt-bad-checksum', severity: 'error', message, offset: offset + at });
  }
  const isInPlace = myLba * sectorSize === offset;
  if (!isInPlace) {
    const message = `A GPT header says that it stands in sector ${myLba}.`;
    report({
      code: 'gpt-bad-header',
      severity: 'error',
      message,
      offset: offset + gptHeader.fields.myLba.at,
    });
  }
  return doesSealHold && isInPlace;
}

async function readEntries(
  disk: TableDisk,
  { entriesLba, entryCount, entrySize }: GptHeader,
  sectorSize: number,
  report: ReportFlaw,
): Promise<Uint8Array | undefined> {
  const offset = entriesLba * sectorSize;
  const length = entryCount * entrySize;
  if (entrySize < gptEntry.size || length > MAX_ENTRIES_BYTES || offset + length > disk.size) {
    const message = `${entryCount} GPT entries of ${entrySize} bytes at byte ${offset}: not possible.`;
    report({ code: 'gpt-bad-entries', severity: 'error', message, offset: exactOrNone(offset) });
    return undefined;
  }
  return disk.read(offset, length);
}

function decodeEntries({ header, entries }: Copy, sectorSize: number, report: ReportFlaw): TablePartition[] {
  if (entries === undefined) return [];
  const found: TablePartition[] = [];
  for (let at = 0; at < entries.length; at += header.entrySize) {
    if (entries.subarray(at, at + 16).every((byte) => byte === 0)) continue;
    const entryOffset = header.entriesLba * sectorSize + at;
    const entry = gptEntry.decode(entries.subarray(at), entryOffset);
    const number = at / header.entrySize + 1;
    // Numbers that are not exact are past the end of any disk.
    const start = Number(entry.firstLba) * sectorSize;
    const end = (Number(entry.lastLba) + 1) * sectorSize;
    if (entry.lastLba < entry.firstLba) {
      const message = `Partition ${number} ends before it begins.`;
      report({ code: 'partition-reversed', severity: 'error', message, offset: entryOffset });
    }
    found.push({
      number,
      start,
      end: Math.max(start, end),
      type: guidText(entry.type),
      uuid: guidText(entry.uuid),
      name: utf16Text(entry.name),
      isActive: (entry.attributes & LEGACY_BOOT) !== 0n,
      isExtended: false,
      entryOffset,
    });
  }
  return found;
}

function utf16Text(text: Uint8Array): string {
  return (new TextDecoder('utf-16le').decode(text).split('\0', 1)[0] ?? '').trimEnd();
}
