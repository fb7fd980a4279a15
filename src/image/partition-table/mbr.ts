/**
 * The master boot record: four primary partitions, and a chain of boot records in an extended one with a logical
 * partition each. Numbers are little-endian, sectors have 512 bytes.
 */

import { SECTOR } from '../../binary/align.ts';
import { chars, struct, u8, u32 } from '../../binary/struct.ts';
import type { ReportFlaw, TableDisk, TablePartition } from './table.ts';

export const MBR_ENTRIES_AT = 446;
const SIGNATURE_AT = 510;
const DISK_ID_AT = 440;

export const mbrEntry = struct('MBR partition entry', 16, 'little', {
  status: u8(0), // 0x80: active
  firstChs: chars(1, 3),
  type: u8(4), // 0: the entry is not used
  lastChs: chars(5, 3),
  firstLba: u32(8), // of a logical partition, from its own boot record; of the next record, from the first one
  sectorCount: u32(12),
});

/** The type of the partition that stands for a GPT. */
export const GPT_PROTECTIVE = '0xee';
const EXTENDED = ['0x05', '0x0f', '0x85'];
/** Linux numbers no more than these. */
const MAX_LOGICAL = 256;

export interface Mbr {
  /** `0x12345678` */
  readonly diskId: string;
  readonly primary: readonly TablePartition[];
}

/** The table in the first sector, or undefined where it is none: boot sectors of filesystems have its signature, too. */
export function decodeMbr(sector: Uint8Array): Mbr | undefined {
  if (isFilesystem(sector)) return undefined;
  const entries = decodeEntries(sector, 0);
  if (entries === undefined) return undefined;
  const primary = entries.flatMap((entry, index) => toPartition(entry, index + 1, 0));
  if (primary.length === 0) return undefined;
  const diskId = new DataView(sector.buffer, sector.byteOffset).getUint32(DISK_ID_AT, true);
  return { diskId: `0x${diskId.toString(16).padStart(8, '0')}`, primary };
}

function isFilesystem(sector: Uint8Array): boolean {
  const text = String.fromCharCode(...sector.subarray(0, 96));
  const names = ['NTFS    ', 'EXFAT   ', '-FVE-FS-'];
  return (
    text.startsWith('FAT', 54) ||
    text.startsWith('FAT32', 82) ||
    names.some((name) => text.startsWith(name, 3))
  );
}

type Entry = ReturnType<typeof mbrEntry.decode> & { readonly offset: number };

/** The four entries of a boot record that stands at byte `at`; undefined when it is none. */
function decodeEntries(sector: Uint8Array, at: number): readonly Entry[] | undefined {
  if (sector[SIGNATURE_AT] !== 0x55 || sector[SIGNATURE_AT + 1] !== 0xaa) return undefined;
  const entries = [0, 1, 2, 3].map((index) => {
    const within = MBR_ENTRIES_AT + index * mbrEntry.size;
    return { ...mbrEntry.decode(sector.subarray(within), at + within), offset: at + within };
  });
  return entries.every(({ status }) => status === 0 || status === 0x80) ? entries : undefined;
}

function toPartition(entry: Entry, number: number, base: number): TablePartition[] {
  if (entry.type === 0 || entry.sectorCount === 0) return [];
  const type = typeName(entry.type);
  const start = base + entry.firstLba * SECTOR;
  return [
    {
      number,
      start,
      end: start + entry.sectorCount * SECTOR,
      type,
      isActive: entry.status === 0x80,
      isExtended: EXTENDED.includes(type),
      entryOffset: entry.offset,
    },
  ];
}

const typeName = (type: number): string => `0x${type.toString(16).padStart(2, '0')}`;

/** The logical partitions in an extended one, as far as its chain of boot records holds. */
export async function readLogical(
  disk: TableDisk,
  extended: TablePartition,
  report: ReportFlaw,
): Promise<TablePartition[]> {
  const found: TablePartition[] = [];
  const seen = new Set<number>();
  const broken = (offset: number, why: string): TablePartition[] => {
    const message = `The chain of logical partitions breaks at byte ${offset}: ${why}.`;
    report({ code: 'mbr-bad-chain', severity: 'error', message, offset });
    return found;
  };
  let at = extended.start;
  while (seen.size < MAX_LOGICAL) {
    if (seen.has(at)) return broken(at, 'it leads in a circle');
    seen.add(at);
    if (at < extended.start || at + SECTOR > Math.min(extended.end, disk.size))
      return broken(at, 'this is outside of the extended partition');
    const entries = decodeEntries(await disk.read(at, SECTOR), at);
    if (entries === undefined) return broken(at, 'there is no boot record');
    const [first, next] = entries as [Entry, Entry];
    found.push(...toPartition(first, 5 + found.length, at));
    if (!EXTENDED.includes(typeName(next.type)) || next.sectorCount === 0) return found;
    at = extended.start + next.firstLba * SECTOR;
  }
  return broken(at, `it has more than ${MAX_LOGICAL} links`);
}
