/** Checks the block allocation table (BAT) of a dynamic VHD, where its blocks stand, and the bitmaps of their sectors. */

import { ceilDiv, SECTOR } from '../../binary/align.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { UNUSED_ENTRY } from './structs.ts';

/** A range of the file that no block may touch. */
export interface Reserved {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** Where it is referred to. */
  readonly referredAt: number;
}

export interface Blocks {
  readonly tableOffset: number;
  /** Entries that are in the file. */
  readonly entryCount: number;
  /** Guest bytes in a block. */
  readonly blockSize: number;
  /** Bytes of the bitmap before a block's data. */
  readonly bitmapSize: number;
  readonly virtualSize: number;
  readonly isDifferencing: boolean;
  readonly reserved: readonly Reserved[];
}

export async function checkBlocks(
  source: ByteSource,
  blocks: Blocks,
  request: CheckRequest<unknown>,
): Promise<CheckFigures> {
  const { tableOffset, entryCount, blockSize, bitmapSize, virtualSize, reserved } = blocks;
  const bytes = await readBytes(source, tableOffset, entryCount * 4, 'The block allocation table');
  const view = new DataView(bytes.buffer);
  const entryOf = (block: number): number => view.getUint32(block * 4);
  /** Those that are where a block can be. */
  const placed = new Uint32Array(entryCount);
  let placedCount = 0;
  let storedCount = 0;
  let imageEndOffset = Math.max(0, ...reserved.map(({ end }) => (end < source.size ? end : 0)));
  let fragmented = 0;
  let next = 0;
  for (let block = 0; block < entryCount; block++) {
    const entry = entryOf(block);
    if (entry === UNUSED_ENTRY) continue;
    request.requireRunning();
    const place: StoredBlock = { block, start: entry * SECTOR };
    const end = place.start + bitmapSize + blockSize;
    if (next !== 0 && next !== place.start) fragmented += 1;
    next = end;
    storedCount += 1;
    if (await checkBlock(source, blocks, place, request)) {
      placed[placedCount++] = block;
      imageEndOffset = Math.max(imageEndOffset, Math.min(end, source.size));
    }
  }
  checkApart(blocks, placed.subarray(0, placedCount), entryOf, request);
  return {
    imageEndOffset,
    totalClusters: ceilDiv(virtualSize, blockSize),
    allocatedClusters: storedCount,
    fragmentedClusters: fragmented,
    compressedClusters: 0,
  };
}

interface StoredBlock {
  readonly block: number;
  /** File offset of its sector bitmap. */
  readonly start: number;
}

const placeOf = ({ tableOffset, blockSize }: Blocks, { block }: StoredBlock) => ({
  fileOffset: tableOffset + block * 4,
  guestOffset: block * blockSize,
});

/** False when the block is not where a block can be. */
async function checkBlock(
  source: ByteSource,
  blocks: Blocks,
  stored: StoredBlock,
  { report }: CheckRequest<unknown>,
): Promise<boolean> {
  const { blockSize, bitmapSize, virtualSize, isDifferencing, reserved } = blocks;
  const { block, start } = stored;
  const place = placeOf(blocks, stored);
  const onDisk = Math.min(blockSize, virtualSize - block * blockSize);
  if (onDisk <= 0) {
    report.warning('unused-space', () => `Block ${block} is stored, but past the end of the disk.`, place);
  }
  // Of the last block only the part on the disk has to be there.
  const end = start + bitmapSize + Math.max(0, onDisk);
  if (end > source.size) {
    const message = () =>
      `Block ${block} should end at byte ${end}, but the file has only ${source.size} bytes.`;
    report.corruption('past-end', message, place);
    return false;
  }
  const hit = reserved.find((range) => start < range.end && end > range.start);
  if (hit) {
    report.corruption('overlap', () => `Block ${block} at byte ${start} stands on ${hit.what}.`, place);
    return false;
  }
  if (isDifferencing || onDisk <= 0) return true;
  const bitmap = await readBytes(source, start, bitmapSize, 'A sector bitmap');
  const clear = clearBits(bitmap, ceilDiv(onDisk, SECTOR));
  if (clear > 0) {
    const message = () =>
      `${clear} sectors of block ${block} are not in its bitmap; on a dynamic disk their bytes count all the same.`;
    report.warning('sector-bitmap', message, { ...place, fileOffset: start });
  }
  return true;
}

/** How many of the first `count` bits are clear; the first sector is the highest bit of the first byte. */
function clearBits(bitmap: Uint8Array, count: number): number {
  let clear = 0;
  for (let sector = 0; sector < count; sector++) {
    const byte = bitmap[Math.floor(sector / 8)] as number;
    if (sector % 8 === 0 && byte === 0xff) sector += 7;
    else if (((byte >>> (7 - (sector % 8))) & 1) === 0) clear += 1;
  }
  return clear;
}

/** No two of the `placed` blocks may share a byte. */
function checkApart(
  blocks: Blocks,
  placed: Uint32Array,
  entryOf: (block: number) => number,
  { report }: CheckRequest<unknown>,
): void {
  const sectors = (blocks.bitmapSize + blocks.blockSize) / SECTOR;
  placed.sort((a, b) => entryOf(a) - entryOf(b) || a - b);
  for (let index = 1; index < placed.length; index++) {
    const [before, block] = [placed[index - 1] as number, placed[index] as number];
    if (entryOf(block) - entryOf(before) >= sectors) continue;
    const start = entryOf(block) * SECTOR;
    const message = () => `Block ${block} at byte ${start} shares bytes with block ${before}.`;
    report.corruption('overlap', message, placeOf(blocks, { block, start }));
  }
}
