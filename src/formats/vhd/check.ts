/**
 * Checks VHD, fixed, dynamic and differencing ("Virtual Hard Disk Image Format Specification" 1.0). A differencing disk
 * is checked without its parent.
 */

import { ceilDiv, isPowerOfTwo, SECTOR } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';
import type { CheckFigures, CheckRequest, FindingReport } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type Blocks, checkBlocks, type Reserved } from './check-blocks.ts';
import { checkFooters, type FooterPair } from './check-footers.ts';
import { parentLocator } from './parent.ts';
import { type SizeRule, sizeRuleOf, virtualSizeBy } from './size.ts';
import {
  bitmapSizeOf,
  DiskType,
  DYNAMIC_COOKIE,
  type DynamicHeader,
  dynamicHeader,
  headerChecksum,
  MAX_BLOCK_SIZE,
  MAX_TABLE_BYTES,
  VERSION_1_0,
} from './structs.ts';

export async function checkVhd(
  source: ByteSource,
  request: CheckRequest<{ readonly size: SizeRule | undefined }>,
): Promise<CheckFigures> {
  const { report, options } = request;
  const footers = await checkFooters(source, report);
  const { footer, fileOffset } = footers;
  const virtualSize = virtualSizeBy(options.size ?? sizeRuleOf(footer), footer);
  if (virtualSize === 0 || virtualSize % SECTOR !== 0) {
    const message = () => `The disk size is ${virtualSize} bytes, expected whole sectors of 512 bytes.`;
    report.corruption('bad-header', message, { fileOffset: fileOffset + 48 });
  }
  switch (footer.diskType) {
    case DiskType.fixed:
      return checkFixed(footers, virtualSize, report);
    case DiskType.dynamic:
    case DiskType.differencing:
      return checkDynamic(source, footers, virtualSize, request);
    default: {
      const message = () =>
        `Disk type ${footer.diskType} is none of fixed (2), dynamic (3), differencing (4).`;
      report.corruption('bad-header', message, { fileOffset: fileOffset + 60 });
      return { imageEndOffset: footers.dataEnd };
    }
  }
}

function checkFixed({ dataEnd }: FooterPair, virtualSize: number, report: FindingReport): CheckFigures {
  if (virtualSize > dataEnd) {
    const message = () =>
      `The footer gives the disk ${virtualSize} bytes, but only ${dataEnd} stand before it.`;
    report.corruption('truncated', message, { fileOffset: dataEnd });
  }
  return { imageEndOffset: Math.min(virtualSize, dataEnd) };
}

async function checkDynamic(
  source: ByteSource,
  footers: FooterPair,
  virtualSize: number,
  request: CheckRequest<unknown>,
): Promise<CheckFigures> {
  const { report } = request;
  const nothing = { imageEndOffset: footers.dataEnd };
  const headerOffset = footers.footer.dataOffset;
  if (headerOffset % BigInt(SECTOR) !== 0n || headerOffset > BigInt(source.size)) {
    const message = () => `The dynamic header should be at ${headerOffset}: not a sector of this file.`;
    report.corruption('bad-reference', message, { fileOffset: footers.fileOffset + 16 });
    return nothing;
  }
  const at = Number(headerOffset);
  const header = await report.attempt(() => readHeader(source, at, report), { fileOffset: at });
  if (header === undefined || !isUsable(header, at, report)) return nothing;
  const { tableOffset, maxTableEntries, blockSize } = header;
  const needed = ceilDiv(virtualSize, blockSize);
  if (maxTableEntries < needed) {
    const message = () =>
      `The table has ${maxTableEntries} entries; a disk of ${virtualSize} bytes needs ${needed}.`;
    report.corruption('bad-table', message, { fileOffset: at + 28 });
  }
  const entryCount = Math.min(maxTableEntries, Math.floor((source.size - tableOffset) / 4));
  if (entryCount < maxTableEntries) {
    const message = () =>
      `The table of ${maxTableEntries} entries at byte ${tableOffset} ends past the file.`;
    report.corruption('truncated', message, { fileOffset: at + 16 });
  }
  if (tableOffset > source.size) return nothing;
  const blocks: Blocks = {
    tableOffset,
    entryCount,
    blockSize,
    bitmapSize: bitmapSizeOf(blockSize),
    virtualSize,
    isDifferencing: footers.footer.diskType === DiskType.differencing,
    reserved: reservedRanges(source, footers, header, at, report),
  };
  if (blocks.entryCount * 4 > MAX_TABLE_BYTES) {
    throw new BudgetError('over-budget', `The block allocation table has ${blocks.entryCount} entries.`, {
      format: 'vhd',
      fileOffset: at + 28,
      hint: `At most ${MAX_TABLE_BYTES} bytes are read.`,
    });
  }
  return checkBlocks(source, blocks, request);
}

async function readHeader(source: ByteSource, at: number, report: FindingReport): Promise<DynamicHeader> {
  const bytes = await readBytes(source, at, dynamicHeader.size, 'The dynamic header');
  const header = dynamicHeader.decode(bytes, at);
  if (headerChecksum(bytes) !== header.checksum) {
    const message = () => 'The checksum of the dynamic header does not hold.';
    report.corruption('bad-checksum', message, { fileOffset: at + 36 });
  }
  return header;
}

/** Can the table be found by this header? */
function isUsable(header: DynamicHeader, at: number, report: FindingReport): boolean {
  const { cookie, headerVersion, blockSize, tableOffset } = header;
  const bad = (field: number, message: string): void =>
    report.corruption('bad-header', () => message, { fileOffset: at + field });
  if (cookie !== DYNAMIC_COOKIE) bad(0, `There is no dynamic header ('${DYNAMIC_COOKIE}').`);
  if (headerVersion !== VERSION_1_0) bad(24, `Dynamic header version ${headerVersion}, expected 1.0.`);
  const isBlock = isPowerOfTwo(blockSize) && blockSize >= SECTOR && blockSize <= MAX_BLOCK_SIZE;
  if (!isBlock) bad(32, `Block size ${blockSize} is not a power of two from 512 bytes to 256 MiB.`);
  const isOnSector = tableOffset % SECTOR === 0;
  if (!isOnSector) bad(16, `The block allocation table begins at ${tableOffset}, not on a sector.`);
  return cookie === DYNAMIC_COOKIE && isBlock;
}

/** What no block may stand on; what of that shares bytes with something else is reported. */
function reservedRanges(
  source: ByteSource,
  { dataEnd }: FooterPair,
  header: DynamicHeader,
  headerOffset: number,
  report: FindingReport,
): readonly Reserved[] {
  const { tableOffset, maxTableEntries } = header;
  const headerEnd = headerOffset + dynamicHeader.size;
  const ranges: Reserved[] = [
    { what: 'the footer copy', start: 0, end: SECTOR, referredAt: 0 },
    { what: 'the dynamic header', start: headerOffset, end: headerEnd, referredAt: 16 },
    {
      what: 'the table',
      start: tableOffset,
      end: tableOffset + maxTableEntries * 4,
      referredAt: headerOffset + 16,
    },
    ...locatorRanges(source, header, headerOffset, report),
    { what: 'the footer', start: dataEnd, end: source.size, referredAt: dataEnd },
  ];
  const sorted = ranges.filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
  for (const [index, range] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next === undefined || next.start >= range.end) continue;
    const message = () => `${range.what} and ${next.what} share bytes from ${next.start} on.`;
    report.corruption('overlap', message, { fileOffset: next.referredAt });
  }
  return sorted;
}

/** Where the names of a differencing disk's parent stand. */
function locatorRanges(
  source: ByteSource,
  header: DynamicHeader,
  headerOffset: number,
  report: FindingReport,
): Reserved[] {
  const ranges: Reserved[] = [];
  const entries = header.parentLocatorEntries;
  for (let at = 0; at < entries.length; at += parentLocator.size) {
    const fileOffset = headerOffset + dynamicHeader.fields.parentLocatorEntries.at + at;
    const bytes = entries.subarray(at, at + parentLocator.size);
    // An unused entry is all zeros; an offset that is no number of this file is past its end.
    if (bytes.every((byte) => byte === 0)) continue;
    const start = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(16));
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8);
    if (start + length > source.size) {
      const message = () => `A parent's name at byte ${start} ends past the end of the file.`;
      report.corruption('past-end', message, { fileOffset });
    } else {
      ranges.push({ what: "the parent's name", start, end: start + length, referredAt: fileOffset });
    }
  }
  return ranges;
}
