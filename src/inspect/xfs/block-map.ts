/** Where the blocks of a file stand: lists of extents, in the inode or as the leaves of a B+tree. */

import type { Inode } from './inode.ts';
import { byteOfBlock } from './inode.ts';
import { corrupt, isSealed, type XfsFilesystem } from './superblock.ts';

/** Blocks of a file that stand side by side, or are a hole together. At least one. */
export interface Run {
  /** Byte of the volume; `undefined` for a hole, or blocks that were never written. */
  readonly start: number | undefined;
  readonly length: number;
}

const RECORD = 16;
const KEY = 8;
/** As XFS_BTREE_MAXLEVELS. */
const MAX_LEVELS = 9;
const HEADER = 24;
const HEADER_V5 = 72;
const CHECKSUM_AT = 64;

/** The run that begins with block `block` of the file. @throws CorruptImageError */
export async function runAt(fs: XfsFilesystem, inode: Inode, block: number): Promise<Run> {
  if (inode.format === 'extents') {
    if (inode.extentCount * RECORD > inode.fork.length)
      throw corrupt('bad-table', `Inode ${inode.number} claims ${inode.extentCount} extents.`);
    return runInRecords(fs, inode.fork, inode.extentCount, block, Number.POSITIVE_INFINITY);
  }
  if (inode.format !== 'btree') throw corrupt('bad-table', `Inode ${inode.number} has no blocks.`);
  return runInTree(fs, inode, block);
}

async function runInTree(fs: XfsFilesystem, inode: Inode, block: number): Promise<Run> {
  const broken = () => corrupt('bad-table', `The tree of extents of inode ${inode.number} is broken.`);
  let view = viewOf(inode.fork);
  let keysAt = 4;
  let level = view.getUint16(0);
  let count = view.getUint16(2);
  /** Where the extents end that this part of the tree can have. */
  let limit = Number.POSITIVE_INFINITY;
  if (level === 0 || level > MAX_LEVELS) throw broken();
  for (;;) {
    const room = Math.floor((view.byteLength - keysAt) / (KEY + 8));
    if (count === 0 || count > room) throw broken();
    let index = 0;
    while (index + 1 < count && safe(view.getBigUint64(keysAt + (index + 1) * KEY)) <= block) index++;
    if (index + 1 < count) limit = Math.min(limit, safe(view.getBigUint64(keysAt + (index + 1) * KEY)));
    const child = safe(view.getBigUint64(keysAt + room * KEY + index * 8));
    const node = await fs.volume.read(byteOfBlock(fs, child, 1), fs.blockSize);
    view = viewOf(node);
    const magic = String.fromCharCode(...node.subarray(0, 4));
    if (magic !== (fs.hasChecksums ? 'BMA3' : 'BMAP') || view.getUint16(4) !== level - 1) throw broken();
    if (fs.hasChecksums && !isSealed(node, CHECKSUM_AT))
      throw corrupt(
        'bad-checksum',
        `The tree of extents of inode ${inode.number} does not have its checksum.`,
      );
    level--;
    count = view.getUint16(6);
    keysAt = fs.hasChecksums ? HEADER_V5 : HEADER;
    if (level > 0) continue;
    const records = node.subarray(keysAt);
    if (count * RECORD > records.length) throw broken();
    return runInRecords(fs, records, count, block, limit);
  }
}

/**
 * A record has 128 bits: 1 for blocks that were never written, 54 for the first block of the file, 52 for its address,
 * 21 for the length.
 */
function runInRecords(
  fs: XfsFilesystem,
  records: Uint8Array,
  count: number,
  block: number,
  limit: number,
): Run {
  const view = viewOf(records);
  const firstOf = (index: number): number =>
    safe((view.getBigUint64(index * RECORD) & (2n ** 63n - 1n)) >> 9n);
  let index = -1;
  while (index + 1 < count && firstOf(index + 1) <= block) index++;
  const end = index + 1 < count ? Math.min(limit, firstOf(index + 1)) : limit;
  const hole = { start: undefined, length: Math.max(1, end - block) };
  if (index < 0) return hole;
  const high = view.getBigUint64(index * RECORD);
  const low = view.getBigUint64(index * RECORD + 8);
  const length = Number(low & 0x1fffffn);
  const into = block - firstOf(index);
  if (into >= length) return hole;
  if (high >> 63n === 1n) return { start: undefined, length: length - into };
  const address = safe(((high & 0x1ffn) << 43n) | (low >> 21n));
  return { start: byteOfBlock(fs, address, length) + into * fs.blockSize, length: length - into };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** What is 2^53 or more lies behind the end of everything. */
const safe = (value: bigint): number => Number(value > 2n ** 53n ? 2n ** 53n : value);
