/**
 * The block allocation table (BAT) of a dynamic VHD: for each block the sector where its bitmap begins. Read and
 * checked whole, so that no block can stand outside the data, on another block or on the metadata.
 */

import { Buffer } from 'node:buffer';
import { SECTOR } from '../../binary/align.ts';
import { CorruptImageError, type ImageError } from '../../errors.ts';
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

export interface BlockTable {
  /** The sector of each block's bitmap; {@link UNUSED_ENTRY} for blocks that are not stored. */
  readonly entries: Uint32Array;
  /** Why blocks cannot be read, by their number; empty unless damage is read past. */
  readonly lost: ReadonlyMap<number, ImageError>;
}

/**
 * @param salvage keep the errors of single blocks for who reads them
 * @throws CorruptImageError `truncated` for a block past the end, `bad-reference` for one on something else
 */
export async function readBlockTable(
  source: ByteSource,
  shape: BlockTableShape,
  salvage = false,
): Promise<BlockTable> {
  const { tableOffset, entryCount } = shape;
  const bytes = await readBytes(source, tableOffset, entryCount * 4, 'The block allocation table');
  Buffer.from(bytes.buffer).swap32(); // big-endian in the file; every platform of Node is little-endian
  const entries = new Uint32Array(bytes.buffer);
  const lost = new Map<number, ImageError>();
  const report = (block: number, error: ImageError): void => {
    if (!salvage) throw error;
    lost.set(block, error);
  };
  entries.forEach((entry, block) => {
    const error = entry === UNUSED_ENTRY ? undefined : problemWith(shape, entry, block);
    if (error) report(block, error);
  });
  for (const [block, error] of overlaps(entries, shape)) report(block, error);
  return { entries, lost };
}

/** What is wrong with the place of a block. */
function problemWith(shape: BlockTableShape, entry: number, block: number): ImageError | undefined {
  const { blockSize, bitmapSize, virtualSize, fileSize, reserved, tableOffset } = shape;
  const start = entry * SECTOR;
  // Of the last block only the part on the disk has to be there.
  const end = start + bitmapSize + Math.min(blockSize, virtualSize - block * blockSize);
  const fileOffset = tableOffset + block * 4;
  if (end > fileSize) {
    return new CorruptImageError(
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
    return overlap(`Block ${block} at byte ${start} stands on ${hit.what}.`, fileOffset, block * blockSize);
  return undefined;
}

/** Blocks that share bytes with the one before them in the file. */
function* overlaps(
  table: Uint32Array,
  { blockSize, bitmapSize, tableOffset }: BlockTableShape,
): Generator<[number, ImageError]> {
  const sectors = (bitmapSize + blockSize) / SECTOR;
  const sorted = table.slice().sort();
  for (let i = 1; i < sorted.length; i++) {
    const entry = sorted[i] as number;
    if (entry === UNUSED_ENTRY) return;
    if (entry - (sorted[i - 1] as number) >= sectors) continue;
    const block = table.lastIndexOf(entry);
    const message = `Block ${block} at byte ${entry * SECTOR} shares bytes with another block.`;
    yield [block, overlap(message, tableOffset + block * 4, block * blockSize)];
  }
}

const overlap = (message: string, fileOffset: number, guestOffset: number): CorruptImageError =>
  new CorruptImageError('bad-reference', message, { format: 'vhd', fileOffset, guestOffset });
