/**
 * Checks ZVHD2: all three footers, the bitmap against the index, and both against the records; with the data, every
 * payload.
 */

import { ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import type { Allocation } from '../../image/allocation.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { checkFooter, checkRecord, nextRecord } from '../zvhd-stream/check-stream.ts';
import { hasCookie, PAGE, type StreamFooter, streamFooter } from '../zvhd-stream/footer.ts';
import { payloadOf } from '../zvhd-stream/record.ts';
import { readBitmap } from './block-index.ts';
import { requireSameImage, requireTables } from './requirements.ts';
import { codecs, indexEntry, type Method, ZVHD2_COOKIE } from './structs.ts';

const FORMAT = { format: 'zvhd2', cookie: ZVHD2_COOKIE };

export async function checkZvhd2(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report } = request;
  const initial = await checkFooter(source, 0, report, FORMAT);
  const footerOffset = Math.max(PAGE, source.size - PAGE);
  const footer = await checkFooter(source, footerOffset, report, FORMAT);
  if (footer === undefined) return walkFromFront(source, initial, request);
  if (initial) await report.attempt(async () => requireSameImage(initial, footer, footerOffset));
  const method = await report.attempt(async () => requireTables(footer, footerOffset));
  if (method === undefined) return walkFromFront(source, footer, request);
  const stored = await report.attempt(() => readBitmap(source, footer));
  if (stored === undefined) return walkFromFront(source, footer, request);
  const recordsEnd = await checkRecords(source, { footer, method, stored }, request);
  await checkMiddleFooter(source, footer, recordsEnd, request);
  return {
    imageEndOffset: source.size,
    totalClusters: ceilDiv(footer.currentSize, footer.blockSize),
    allocatedClusters: stored.storedCount,
    fragmentedClusters: 0,
    compressedClusters: stored.storedCount,
  };
}

interface Tables {
  readonly footer: StreamFooter;
  readonly method: Method;
  readonly stored: Allocation;
}

/** Every stored block: its index entry and its record. Returns where the last record ends. */
async function checkRecords(
  source: ByteSource,
  { footer, method, stored }: Tables,
  request: CheckRequest<unknown>,
): Promise<number> {
  const { report } = request;
  const { indexOffset, indexSize, bitmapOffset, blockSize, indexContainsZeroBlocks } = footer;
  const index = await readBytes(source, indexOffset, indexSize, 'The index');
  const limit = Math.min(indexOffset, bitmapOffset);
  const scratch = new Uint8Array(request.readsData ? blockSize : 0);
  let recordsEnd = PAGE;
  if (indexContainsZeroBlocks === 1) checkZeroEntries(index, footer, stored, request);
  for (let rank = 0; rank < stored.storedCount; rank++) {
    request.requireRunning();
    const block = stored.select(rank);
    const guestOffset = block * blockSize;
    const at = (indexContainsZeroBlocks === 1 ? block : rank) * indexEntry.size;
    const place = { fileOffset: indexOffset + at, guestOffset };
    const entry = await report.attempt(
      async () => indexEntry.decode(index.subarray(at, at + indexEntry.size), indexOffset + at),
      place,
    );
    if (entry === undefined) continue;
    const { fileOffset, blockNumber, recordLength } = entry;
    if (blockNumber !== block) {
      const message = () => `The index entry is of block ${blockNumber}, the bitmap says ${block}.`;
      report.corruption('bad-reference', message, place);
      continue;
    }
    if (fileOffset % PAGE !== 0 || recordLength % PAGE !== 0) {
      const message = () => `A record of ${recordLength} bytes at byte ${fileOffset} is not on pages.`;
      report.corruption('unaligned', message, place);
      continue;
    }
    if (fileOffset < PAGE || fileOffset + recordLength > limit) {
      const message = () =>
        `The record at byte ${fileOffset} is not within the data, which ends at ${limit}.`;
      report.corruption('past-end', message, place);
      continue;
    }
    if (fileOffset < recordsEnd) {
      const message = () =>
        `The record at byte ${fileOffset} begins before byte ${recordsEnd}, where it may.`;
      report.corruption('overlap', message, place);
    } else if (fileOffset > recordsEnd) {
      const message = () => `${fileOffset - recordsEnd} bytes before the record belong to no block.`;
      report.warning('unused-space', message, { fileOffset: recordsEnd });
    }
    recordsEnd = Math.max(recordsEnd, fileOffset + recordLength);
    const recordPlace = { format: 'zvhd2', fileOffset, blockSize };
    const found = await checkRecord(source, recordPlace, limit, report);
    if (found === undefined) continue;
    if (found.header.blockNumber !== block || found.end !== fileOffset + recordLength) {
      const { blockNumber: holds } = found.header;
      const message = () =>
        `The record is of block ${holds} and has ${found.end - fileOffset} bytes; the index says ${block} and ${recordLength}.`;
      report.corruption('bad-reference', message, { fileOffset, guestOffset });
    } else if (request.readsData) {
      await report.attempt(
        async () => {
          const record = await readBytes(source, fileOffset, recordLength, 'A record');
          codecOf(codecs[method]).unpack(payloadOf(record, block, recordPlace), scratch);
        },
        { fileOffset, guestOffset },
      );
    }
  }
  return recordsEnd;
}

/** An index with an entry for every block says 0 where nothing is stored. */
function checkZeroEntries(
  index: Uint8Array,
  footer: StreamFooter,
  stored: Allocation,
  { report }: CheckRequest<unknown>,
): void {
  const view = new DataView(index.buffer);
  for (let block = 0; block < stored.blockCount; block++) {
    const at = block * indexEntry.size;
    if (stored.has(block) || view.getBigUint64(at, true) === 0n) continue;
    const message = () => `The index has a record for block ${block}, which the bitmap says to be zero.`;
    const place = { fileOffset: footer.indexOffset + at, guestOffset: block * footer.blockSize };
    report.corruption('bad-table', message, place);
  }
}

/** It ends the records for who reads from the front. Its checksum does not hold, by design. */
async function checkMiddleFooter(
  source: ByteSource,
  footer: StreamFooter,
  recordsEnd: number,
  { report }: CheckRequest<unknown>,
): Promise<void> {
  const place = { fileOffset: recordsEnd };
  const limit = Math.min(footer.indexOffset, footer.bitmapOffset);
  const page = recordsEnd + PAGE <= limit ? await readBytes(source, recordsEnd, PAGE, 'A footer') : undefined;
  if (page === undefined || !hasCookie(page, ZVHD2_COOKIE)) {
    report.corruption('footer-missing', () => 'There is no footer behind the last record.', place);
    return;
  }
  const middle = await report.attempt(async () => streamFooter.decode(page, recordsEnd), place);
  if (middle === undefined) return;
  if (middle.nonZeroBlockCount !== footer.nonZeroBlockCount) {
    const message = () =>
      `The footer behind the records counts ${middle.nonZeroBlockCount} blocks, the last one ${footer.nonZeroBlockCount}.`;
    report.corruption('footers-differ', message, place);
  }
}

/** Where the tables cannot be used: the records alone, one behind the other. */
async function walkFromFront(
  source: ByteSource,
  footer: StreamFooter | undefined,
  request: CheckRequest<unknown>,
): Promise<CheckFigures> {
  const { report, requireRunning } = request;
  const nothing = { imageEndOffset: source.size };
  // Without a block size a record's length cannot be judged.
  if (footer === undefined || footer.blockSize === 0) return nothing;
  let stored = 0;
  for (let fileOffset = PAGE; fileOffset < source.size; ) {
    requireRunning();
    const head = await readBytes(source, fileOffset, Math.min(8, source.size - fileOffset), 'A record');
    if (hasCookie(head, ZVHD2_COOKIE)) break;
    const place = { format: 'zvhd2', fileOffset, blockSize: footer.blockSize };
    const found = await checkRecord(source, place, source.size, report);
    if (found) stored += 1;
    fileOffset = found?.end ?? (await nextRecord(source, fileOffset + PAGE, source.size, requireRunning));
  }
  return { ...nothing, allocatedClusters: stored, compressedClusters: stored };
}
