/** The bitmap and the index of a ZVHD2: which blocks are stored, and where. Checked against each other whole. */

import { CorruptImageError } from '../../errors.ts';
import { type Allocation, freezeAllocation } from '../../image/allocation.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { PAGE, type StreamFooter } from '../zvhd-stream/footer.ts';
import { maxRecordLength } from '../zvhd-stream/record.ts';
import { indexEntry } from './structs.ts';

export interface RecordIndex {
  /** Where the record of a stored block stands; `length` in bytes, padding included. */
  recordOf(block: number): { readonly fileOffset: number; readonly length: number };
}

/** @throws CorruptImageError `bad-table` when bits past the disk are set, or their number is not the footer's */
export async function readBitmap(source: ByteSource, footer: StreamFooter): Promise<Allocation> {
  const { bitmapOffset, bitmapSize, maxBlockNumber, nonZeroBlockCount } = footer;
  const bits = await readBytes(source, bitmapOffset, bitmapSize, 'The bitmap');
  const all = freezeAllocation({ bits, blockCount: bitmapSize * 8 });
  const onDisk = all.rank(maxBlockNumber);
  if (onDisk !== all.storedCount) {
    throw new CorruptImageError('bad-table', `The bitmap has bits set past block ${maxBlockNumber}.`, {
      format: 'zvhd2',
      fileOffset: bitmapOffset + Math.floor(all.select(onDisk) / 8),
    });
  }
  if (onDisk !== nonZeroBlockCount) {
    throw new CorruptImageError(
      'bad-table',
      `The bitmap has ${onDisk} blocks, the footer says ${nonZeroBlockCount}.`,
      { format: 'zvhd2', fileOffset: bitmapOffset },
    );
  }
  return { ...all, blockCount: maxBlockNumber };
}

/** @throws CorruptImageError `bad-reference`, `truncated` for an entry that cannot be */
export async function readIndex(
  source: ByteSource,
  footer: StreamFooter,
  stored: Allocation,
): Promise<RecordIndex> {
  const { indexOffset, indexSize } = footer;
  const bytes = await readBytes(source, indexOffset, indexSize, 'The index');
  const view = new DataView(bytes.buffer);
  const listsZeroBlocks = footer.indexContainsZeroBlocks === 1;
  const entryOf = (block: number): number => (listsZeroBlocks ? block : stored.rank(block));
  requireRecords(view, footer, stored, entryOf);
  return {
    recordOf(block) {
      const at = entryOf(block) * indexEntry.size;
      return { fileOffset: Number(view.getBigUint64(at, true)), length: view.getUint32(at + 12, true) };
    },
  };
}

/** Every record: of its block, on a page, behind the one before it, before the tables. */
function requireRecords(
  view: DataView,
  footer: StreamFooter,
  stored: Allocation,
  entryOf: (block: number) => number,
): void {
  const dataEnd = Math.min(footer.indexOffset, footer.bitmapOffset);
  let before = PAGE;
  for (let rank = 0; rank < stored.storedCount; rank++) {
    const block = stored.select(rank);
    const at = entryOf(block) * indexEntry.size;
    const entryOffset = footer.indexOffset + at;
    const { fileOffset, blockNumber, recordLength } = indexEntry.decode(
      new Uint8Array(view.buffer, at, indexEntry.size),
      entryOffset,
    );
    const bad = (code: 'bad-reference' | 'truncated', message: string) =>
      new CorruptImageError(code, message, {
        format: 'zvhd2',
        fileOffset: entryOffset,
        guestOffset: block * footer.blockSize,
      });
    if (blockNumber !== block) {
      throw bad('bad-reference', `The index entry is of block ${blockNumber}, expected ${block}.`);
    }
    if (fileOffset % PAGE !== 0 || recordLength % PAGE !== 0 || recordLength === 0) {
      throw bad(
        'bad-reference',
        `A record of ${recordLength} bytes at byte ${fileOffset} is not on pages of 4096.`,
      );
    }
    if (recordLength > maxRecordLength(footer.blockSize)) {
      throw bad('bad-reference', `A record of ${recordLength} bytes for one block is not possible.`);
    }
    if (fileOffset < before) {
      throw bad(
        'bad-reference',
        `The record at byte ${fileOffset} begins before byte ${before}, where it may.`,
      );
    }
    if (fileOffset + recordLength > dataEnd) {
      throw bad(
        'truncated',
        `The record at byte ${fileOffset} ends past the data, which ends at ${dataEnd}.`,
      );
    }
    before = fileOffset + recordLength;
  }
}
