/** Entries of directories of xfs: short ones within their inodes, and blocks of data. Indexes by hash are not used. */

import type { Inode } from './inode.ts';
import { corrupt, isSealed, type XfsFilesystem } from './superblock.ts';

export interface DirectoryEntry {
  readonly inode: number;
  /** In UTF-8, or whatever its maker used. */
  readonly name: Uint8Array;
}

/** Entries of a directory that is kept in its inode: `.` and `..` are not among them. @throws CorruptImageError `bad-table` */
export function shortEntries(fs: XfsFilesystem, inode: Inode): DirectoryEntry[] {
  const bytes = inode.fork.subarray(0, Math.min(inode.size, inode.fork.length));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const broken = () => corrupt('bad-table', `Directory ${inode.number} is broken.`);
  if (bytes.length < 6) throw broken();
  const isWide = view.getUint8(1) > 0;
  const numberSize = isWide ? 8 : 4;
  const count = isWide ? view.getUint8(1) : view.getUint8(0);
  const entries: DirectoryEntry[] = [];
  let at = 2 + numberSize;
  for (let index = 0; index < Math.max(count, view.getUint8(0)); index++) {
    const nameLength = at < bytes.length ? view.getUint8(at) : 0;
    const numberAt = at + 3 + nameLength + (fs.hasFileType ? 1 : 0);
    if (nameLength === 0 || numberAt + numberSize > bytes.length) throw broken();
    const number = isWide ? Number(view.getBigUint64(numberAt)) : view.getUint32(numberAt);
    entries.push({ inode: number, name: bytes.subarray(at + 3, at + 3 + nameLength) });
    at = numberAt + numberSize;
  }
  return entries;
}

const HEADER = 16;
const HEADER_V5 = 64;
const CHECKSUM_AT = 4;
const FREE = 0xffff;

/** The entries of one block, `.` and `..` among them. @throws CorruptImageError `bad-table`, `bad-checksum` */
export function entriesOf(fs: XfsFilesystem, inode: Inode, block: Uint8Array): DirectoryEntry[] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const broken = () => corrupt('bad-table', `An entry of directory ${inode.number} is broken.`);
  const magic = String.fromCharCode(...block.subarray(0, 4));
  const isWhole = magic === (fs.hasChecksums ? 'XDB3' : 'XD2B');
  if (!isWhole && magic !== (fs.hasChecksums ? 'XDD3' : 'XD2D')) throw broken();
  if (fs.hasChecksums && !isSealed(block, CHECKSUM_AT))
    throw corrupt('bad-checksum', `A block of directory ${inode.number} does not have its checksum.`);
  // A directory of one block ends in its index: as many entries of 8 bytes as the last 8 bytes say.
  const indexed = isWhole ? view.getUint32(block.length - 8) * 8 + 8 : 0;
  const end = block.length - indexed;
  const entries: DirectoryEntry[] = [];
  for (let at = fs.hasChecksums ? HEADER_V5 : HEADER; at < end; ) {
    if (at + 8 > end) throw broken();
    if (view.getUint16(at) === FREE) {
      const length = view.getUint16(at + 2);
      if (length < 8 || length % 8 !== 0) throw broken();
      at += length;
      continue;
    }
    if (at + 16 > end) throw broken();
    const nameLength = view.getUint8(at + 8);
    // Number, length of the name, name, kind of file, and the entry's own place, up to a multiple of 8.
    const length = Math.ceil((8 + 1 + nameLength + (fs.hasFileType ? 1 : 0) + 2) / 8) * 8;
    if (nameLength === 0 || at + length > end) throw broken();
    entries.push({ inode: Number(view.getBigUint64(at)), name: block.subarray(at + 9, at + 9 + nameLength) });
    at += length;
  }
  return entries;
}
