/**
 * Checks a raw image by the partition table on it, the only thing in it that can be checked: MBR, or GPT (UEFI
 * Specification, "GUID Partition Table Disk Layout"). A disk without one has no findings.
 */

import { SECTOR } from '../../binary/align.ts';
import type { CheckFigures, CheckRequest, FindingReport } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import { checkGpt } from './check-gpt.ts';

export async function checkRaw(source: ByteSource, { report }: CheckRequest<unknown>): Promise<CheckFigures> {
  const figures = { imageEndOffset: source.size };
  if (source.size < 2 * SECTOR) return figures;
  const sector = new Uint8Array(SECTOR);
  await source.read(sector, 0);
  const table = partitionsOf(sector);
  const isProtective = table?.some(({ type }) => type === GPT_PROTECTIVE) ?? false;
  const hasGpt = await checkGpt(source, isProtective, report);
  if (table && !isProtective) checkMbr(table, source.size, report);
  if (table === undefined && hasGpt) {
    const message = () => 'There is a GPT, but no protective MBR before it.';
    report.warning('partition-table', message, { fileOffset: 0 });
  }
  return figures;
}

/** The partition type of the one MBR partition that stands for a GPT. */
const GPT_PROTECTIVE = 0xee;

interface Partition {
  /** Of its entry in the table. */
  readonly fileOffset: number;
  readonly type: number;
  /** Bytes. */
  readonly start: number;
  readonly end: number;
}

const TABLE_AT = 446;
const ENTRY_SIZE = 16;

/** The partitions of an MBR, or undefined where the sector is none: boot sectors of filesystems have its signature, too. */
function partitionsOf(sector: Uint8Array): readonly Partition[] | undefined {
  const view = new DataView(sector.buffer);
  if (view.getUint16(510, true) !== 0xaa55) return undefined;
  const text = String.fromCharCode(...sector);
  const isFilesystem =
    text.startsWith('FAT', 54) || text.startsWith('FAT32', 82) || text.startsWith('NTFS', 3);
  if (isFilesystem) return undefined;
  const partitions: Partition[] = [];
  for (let index = 0; index < 4; index++) {
    const fileOffset = TABLE_AT + index * ENTRY_SIZE;
    const status = view.getUint8(fileOffset);
    if (status !== 0 && status !== 0x80) return undefined;
    const type = view.getUint8(fileOffset + 4);
    const start = view.getUint32(fileOffset + 8, true) * SECTOR;
    const length = view.getUint32(fileOffset + 12, true) * SECTOR;
    if (type !== 0 && length > 0) partitions.push({ fileOffset, type, start, end: start + length });
  }
  return partitions.length > 0 ? partitions : undefined;
}

function checkMbr(table: readonly Partition[], diskSize: number, report: FindingReport): void {
  const sorted = [...table].sort((a, b) => a.start - b.start);
  for (const [index, { fileOffset, start, end }] of sorted.entries()) {
    const place = { fileOffset, guestOffset: start };
    if (end > diskSize) {
      const message = () => `A partition ends at byte ${end}, past the disk of ${diskSize} bytes.`;
      report.warning('partition-past-end', message, place);
    }
    const next = sorted[index + 1];
    if (next && next.start < end) {
      const message = () => `The partitions at bytes ${start} and ${next.start} overlap.`;
      report.warning('partition-overlap', message, { ...place, guestOffset: next.start });
    }
  }
}
