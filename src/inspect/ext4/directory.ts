/**
 * Entries of directories of ext2, ext3 and ext4. Those with hash trees read the same: the nodes of the tree look like
 * unused entries.
 */

import { crc32c } from '../../binary/crc32c.ts';
import { corrupt, type Inode } from './inode.ts';
import type { ExtFilesystem } from './superblock.ts';

export interface DirectoryEntry {
  readonly inode: number;
  /** In UTF-8, or whatever its maker used. */
  readonly name: Uint8Array;
}

const HEADER = 8;
/** The last entry of a block with a checksum: its kind of file. */
const TAIL = 0xde;
const TAIL_SIZE = 12;

/** The entries in use of one block, `.` and `..` among them. @throws CorruptImageError `bad-table`, `bad-checksum` */
export function entriesOf(fs: ExtFilesystem, inode: Inode, block: Uint8Array): DirectoryEntry[] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at + HEADER <= block.length; ) {
    const number = view.getUint32(at, true);
    const length = recordLength(view.getUint16(at + 4, true), fs.blockSize);
    const nameLength = fs.hasFileType ? view.getUint8(at + 6) : view.getUint16(at + 6, true);
    if (length < HEADER || length % 4 !== 0 || at + length > block.length || HEADER + nameLength > length)
      throw corrupt('bad-table', `An entry of directory ${inode.number} is broken.`);
    if (number !== 0)
      entries.push({ inode: number, name: block.subarray(at + HEADER, at + HEADER + nameLength) });
    const isTail =
      number === 0 && length === TAIL_SIZE && at + length === block.length && view.getUint8(at + 7) === TAIL;
    if (isTail) requireTail(inode, block);
    at += length;
  }
  return entries;
}

/** Blocks of 64 KiB have lengths that do not fit 16 bits. */
const recordLength = (stored: number, blockSize: number): number =>
  blockSize === 65536 && (stored === 0 || stored === 65535) ? 65536 : stored;

function requireTail(inode: Inode, block: Uint8Array): void {
  if (inode.checksumSeed === undefined) return;
  const end = block.length - TAIL_SIZE;
  const stored = new DataView(block.buffer, block.byteOffset, block.length).getUint32(end + 8, true);
  if (stored !== ~crc32c(block.subarray(0, end), inode.checksumSeed) >>> 0)
    throw corrupt('bad-checksum', `A block of directory ${inode.number} does not have its checksum.`);
}
