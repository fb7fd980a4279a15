/**
 * The block allocation table (BAT) of a dynamic VHD: for each block the sector where its bitmap begins. Read and
 * checked whole, so that no block can stand outside the data, on another block or on the metadata.
 */

import { Buffer } from 'node:buffer';
import { SECTOR } from '../../binary/align.ts';
import { CorruptImageError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { UNUSED_ENTRY } from './structs.ts';

export interface BlockTableShape {
  readonly tableOffset: number;
  readonly entryCount: number;
  /** Guest bytes in a block. */
  readonly blockSize: number;
  /** Bytes of the bitmap before a block's data. */
  readonly bitmapSize: number;
  readonly virtualSize: number;
  readonly fileSize: number;
  /** Ranges of the file that no block may touch. */
  readonly reserved: readonly { readonly what: string; readonly start: number; readonly end: number }[];
}

/**
 * The entries of the table; {@link UNUSED_ENTRY} for blocks that are not stored.
 * @throws CorruptImageError `truncated` for a block past the end, `bad-reference` for one on something else
 */
export async function readBlockTable(source: ByteSource, shape: BlockTableShape): Promise<Uint32Array> {
  const { tableOffset, entryCount } = shape;
  const bytes = await readBytes(source, tableOffset, entryCount * 4, 'The block allocation table');
  Buffer.from(bytes.buffer).swap32(); // big-endian in the file; every platform of Node is little-endian
  const table = new Uint32Array(bytes.buffer);
  table.forEach((entry, block) => {
    if (entry !== UNUSED_ENTRY) requirePlace(shape, entry, block);
  });
  requireApart(table, shape);
  return table;
}

function requirePlace(shape: BlockTableShape, entry: number, block: number): void {
  const { blockSize, bitmapSize, virtualSize, fileSize, reserved, tableOffset } = shape;
  const start = entry * SECTOR;
  // Of the last block only the part on the disk has to be there.
  const end = start + bitmapSize + Math.min(blockSize, virtualSize - block * blockSize);
  const fileOffset = tableOffset + block * 4;
  if (end > fileSize) {
    throw new CorruptImageError(
      'truncated',
      `Block ${block} should end at byte ${end}, but the file has only ${fileSize} bytes.`,
      {
        format: 'vhd',
        fileOffset,
        guestOffset: block * blockSize,
        hint: 'The file is probably an incomplete download or copy: fetch it again.',
      },
    );
  }
  const hit = reserved.find((range) => start < range.end && end > range.start);
  if (hit)
    throw overlap(`Block ${block} at byte ${start} stands on ${hit.what}.`, fileOffset, block * blockSize);
}

/** No two blocks may share a byte. */
function requireApart(table: Uint32Array, { blockSize, bitmapSize, tableOffset }: BlockTableShape): void {
  const sectors = (bitmapSize + blockSize) / SECTOR;
  const sorted = table.slice().sort();
  for (let i = 1; i < sorted.length; i++) {
    const entry = sorted[i] as number;
    if (entry === UNUSED_ENTRY) return;
    if (entry - (sorted[i - 1] as number) >= sectors) continue;
    const block = table.lastIndexOf(entry);
    throw overlap(
      `Block ${block} at byte ${entry * SECTOR} shares bytes with another block.`,
      tableOffset + block * 4,
      block * blockSize,
    );
  }
}

const overlap = (message: string, fileOffset: number, guestOffset: number): CorruptImageError =>
  new CorruptImageError('bad-reference', message, { format: 'vhd', fileOffset, guestOffset });
