/**
 * Finds the records of a ZVHD2 whose tables are lost, by walking it from the front. Records stand in guest order, so
 * a block between two that follow each other is zero; where the walk had to pass over damage, it may have been lost.
 */

import { lowerBound } from '../../binary/search.ts';
import { CorruptImageError, ImageIoError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { hasCookie, PAGE } from '../zvhd-stream/footer.ts';
import { recordHeader, requireRecordEnd, requireRecordHead } from '../zvhd-stream/record.ts';
import { ZVHD2_COOKIE } from './structs.ts';

export interface FoundRecord {
  readonly fileOffset: number;
  readonly length: number;
}

export interface FoundRecords {
  /** The record of a block; undefined for a block of zeros. @throws CorruptImageError `truncated` when it may be lost */
  recordOf(block: number): FoundRecord | undefined;
  /** The first block from `block` on that was found, or may be lost; Infinity without one. */
  nextFrom(block: number): number;
}

export async function findRecords(
  source: ByteSource,
  { blockSize, blockCount }: { readonly blockSize: number; readonly blockCount: number },
): Promise<FoundRecords> {
  const records = new Map<number, FoundRecord>();
  /** Runs of blocks that may be lost. */
  const gaps: { readonly from: number; readonly to: number; readonly fileOffset: number }[] = [];
  let next = 0;
  let damagedAt: number | undefined;
  let isComplete = false;
  for (let at = PAGE; at < source.size; ) {
    const record = await recordAt(source, at, blockSize);
    if (record === 'end') {
      isComplete = true;
      break;
    }
    if (record === undefined || record.block < next || record.block >= blockCount) {
      damagedAt ??= at;
      at += PAGE;
      continue;
    }
    if (damagedAt !== undefined && next < record.block) {
      gaps.push({ from: next, to: record.block, fileOffset: damagedAt });
    }
    damagedAt = undefined;
    records.set(record.block, { fileOffset: at, length: record.length });
    next = record.block + 1;
    at += record.length;
  }
  if (!isComplete || damagedAt !== undefined) {
    gaps.push({ from: next, to: blockCount, fileOffset: damagedAt ?? source.size });
  }
  const found = [...records.keys()]; // ascending
  return {
    nextFrom(block) {
      const gap = gaps.find(({ to }) => block < to);
      const record = found[lowerBound(found, block)] ?? Number.POSITIVE_INFINITY;
      return Math.min(record, gap ? Math.max(block, gap.from) : Number.POSITIVE_INFINITY);
    },
    recordOf(block) {
      const gap = gaps.find(({ from, to }) => from <= block && block < to);
      if (gap === undefined) return records.get(block);
      throw new CorruptImageError('truncated', `Block ${block} was not found; the file is damaged.`, {
        format: 'zvhd2',
        fileOffset: gap.fileOffset,
        guestOffset: block * blockSize,
      });
    },
  };
}

/** The whole record at `fileOffset`, `end` for the footer behind the last one, undefined for neither. */
async function recordAt(
  source: ByteSource,
  fileOffset: number,
  blockSize: number,
): Promise<{ readonly block: number; readonly length: number } | 'end' | undefined> {
  try {
    const bytes = await readBytes(source, fileOffset, recordHeader.size, 'A record');
    if (hasCookie(bytes, ZVHD2_COOKIE)) return 'end';
    const { header, end } = requireRecordHead(bytes, { format: 'zvhd2', fileOffset, blockSize });
    await requireRecordEnd(source, 'zvhd2', end);
    return { block: header.blockNumber, length: end - fileOffset };
  } catch (error) {
    if (error instanceof CorruptImageError || error instanceof ImageIoError) return undefined;
    throw error;
  }
}
