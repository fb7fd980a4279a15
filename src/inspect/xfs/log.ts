/** The log of xfs: does it hold changes that are not in their places yet? It is never replayed here. */

import { byteOfBlock } from './inode.ts';
import type { XfsFilesystem } from './superblock.ts';

/** Bytes in which the log counts. */
const BASIC_BLOCK = 512;
const RECORD_MAGIC = 0xfeedbabe;
/** From the start of a record's header. */
const OPERATIONS_AT = 40;
const RECORD_SIZE_AT = 320;
/** A header has a block for each 32 KiB of the largest record. */
const HEADER_COVERS = 32 * 1024;
/** In the header of an operation, and its flag for "unmounted". */
const FLAGS_AT = 9;
const UNMOUNT = 0x20;
/** Records have up to 256 KiB, and headers before. */
const MAX_BACK = (256 * 1024) / BASIC_BLOCK + 16;

/**
 * Does the log end in anything but the record that unmounting writes? False for a log that is elsewhere, or was never used.
 * @throws CorruptImageError `bad-reference`
 */
export async function needsReplay(fs: XfsFilesystem): Promise<boolean> {
  if (fs.logStart === 0 || fs.logBlocks === 0) return false;
  const start = byteOfBlock(fs, fs.logStart, fs.logBlocks);
  const count = (fs.logBlocks * fs.blockSize) / BASIC_BLOCK;
  const viewAt = async (block: number, length: number): Promise<DataView> => {
    const bytes = await fs.volume.read(start + (((block % count) + count) % count) * BASIC_BLOCK, length);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  };
  /** Every block begins with the number of times that the log has gone round; the header of a record has it behind its magic. */
  const cycleOf = async (block: number): Promise<number> => {
    const view = await viewAt(block, 8);
    return view.getUint32(view.getUint32(0) === RECORD_MAGIC ? 4 : 0);
  };

  const first = await cycleOf(0);
  if (first === 0) return false;
  // Blocks before the head are of this round, and those behind it of the one before, or blank.
  let head = count;
  if ((await cycleOf(count - 1)) !== first) {
    let own = 0;
    while (head - own > 1) {
      const middle = Math.floor((own + head) / 2);
      if ((await cycleOf(middle)) === first) own = middle;
      else head = middle;
    }
  }
  for (let back = 1; back <= Math.min(MAX_BACK, count); back++) {
    const header = await viewAt(head - back, BASIC_BLOCK);
    if (header.getUint32(0) !== RECORD_MAGIC) continue;
    const headerBlocks = Math.max(1, Math.ceil(header.getUint32(RECORD_SIZE_AT) / HEADER_COVERS));
    if (header.getUint32(OPERATIONS_AT) !== 1 || headerBlocks > MAX_BACK) return true;
    const operation = await viewAt(head - back + headerBlocks, BASIC_BLOCK);
    return (operation.getUint8(FLAGS_AT) & UNMOUNT) === 0;
  }
  return true;
}
