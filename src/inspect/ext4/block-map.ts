/** Where the blocks of a file stand: extent trees (ext4), and maps of blocks (ext2, ext3). */

import { crc32c } from '../../binary/crc32c.ts';
import { corrupt, hasFlag, type Inode, requireBlocks } from './inode.ts';
import { EXTENT_MAGIC, extentHeaderStruct } from './structs.ts';
import type { ExtFilesystem } from './superblock.ts';

/** Blocks of a file that stand side by side, or are a hole together. At least one. */
export interface Run {
  /** The first block on the volume; `undefined` for a hole, or blocks that were never written. */
  readonly start: number | undefined;
  readonly length: number;
}

/** Four blocks hold 5 × 340 entries and more: a tree for 2^32 blocks is never deeper. */
const MAX_DEPTH = 5;
const ENTRY = 12;
/** Lengths above this are of blocks that are reserved and were never written: they read as zeros. */
const UNWRITTEN = 32768;

/** The run that begins with block `block` of the file. @throws CorruptImageError */
export const runAt = (fs: ExtFilesystem, inode: Inode, block: number): Promise<Run> =>
  hasFlag(inode, 'extents') ? runInTree(fs, inode, block) : runInMap(fs, inode, block);

async function runInTree(fs: ExtFilesystem, inode: Inode, block: number): Promise<Run> {
  let node = inode.block;
  let depth: number | undefined;
  /** Where the entries end that this part of the tree can have. */
  let limit = Number.POSITIVE_INFINITY;
  for (;;) {
    const header = requireHeader(inode, node, depth);
    const view = new DataView(node.buffer, node.byteOffset, node.length);
    const firstBlock = (index: number): number => view.getUint32((index + 1) * ENTRY, true);
    let index = -1;
    while (index + 1 < header.entries && firstBlock(index + 1) <= block) index++;
    if (index + 1 < header.entries) limit = Math.min(limit, firstBlock(index + 1));
    const hole = { start: undefined, length: Math.max(1, limit - block) };
    if (index < 0) return hole;
    const at = (index + 1) * ENTRY;
    if (header.depth === 0) {
      const stored = view.getUint16(at + 4, true);
      const length = stored > UNWRITTEN ? stored - UNWRITTEN : stored;
      const into = block - firstBlock(index);
      if (into >= length) return hole;
      if (stored > UNWRITTEN) return { start: undefined, length: length - into };
      const start = view.getUint32(at + 8, true) + view.getUint16(at + 6, true) * 2 ** 32;
      requireBlocks(fs, start, length);
      return { start: start + into, length: length - into };
    }
    depth = header.depth - 1;
    const child = view.getUint32(at + 4, true) + view.getUint16(at + 8, true) * 2 ** 32;
    requireBlocks(fs, child, 1);
    node = await fs.volume.read(child * fs.blockSize, fs.blockSize);
    requireTail(inode, node);
  }
}

function requireHeader(inode: Inode, node: Uint8Array, depth: number | undefined) {
  const header = extentHeaderStruct.decode(node, 0);
  const isPossible =
    header.magic === EXTENT_MAGIC &&
    header.entries <= header.max &&
    (header.max + 1) * ENTRY <= node.length &&
    header.depth <= MAX_DEPTH &&
    (depth === undefined || header.depth === depth);
  if (!isPossible) throw corrupt('bad-table', `The extent tree of inode ${inode.number} is broken.`);
  return header;
}

/** A node that fills a block ends in a checksum, behind all the entries that it has room for. */
function requireTail(inode: Inode, node: Uint8Array): void {
  if (inode.checksumSeed === undefined) return;
  const view = new DataView(node.buffer, node.byteOffset, node.length);
  const end = (view.getUint16(4, true) + 1) * ENTRY;
  const isRight =
    end + 4 <= node.length &&
    view.getUint32(end, true) === ~crc32c(node.subarray(0, end), inode.checksumSeed) >>> 0;
  if (!isRight)
    throw corrupt('bad-checksum', `The extent tree of inode ${inode.number} does not have its checksum.`);
}

const DIRECT = 12;

async function runInMap(fs: ExtFilesystem, inode: Inode, block: number): Promise<Run> {
  if (block < DIRECT) return runInPointers(fs, inode.block.subarray(0, DIRECT * 4), block);
  const perBlock = fs.blockSize / 4;
  let index = block - DIRECT;
  for (let level = 1; level <= 3; level++) {
    const span = perBlock ** level;
    if (index < span) return runBelow(fs, pointerAt(inode.block, DIRECT + level - 1), level, index);
    index -= span;
  }
  throw corrupt('bad-reference', `Inode ${inode.number} has no block ${block}.`);
}

async function runBelow(fs: ExtFilesystem, root: number, levels: number, index: number): Promise<Run> {
  const perBlock = fs.blockSize / 4;
  let pointer = root;
  let within = index;
  for (let level = levels; ; level--) {
    const span = perBlock ** level;
    if (pointer === 0) return { start: undefined, length: span - within };
    requireBlocks(fs, pointer, 1);
    const pointers = await fs.volume.read(pointer * fs.blockSize, fs.blockSize);
    if (level === 1) return runInPointers(fs, pointers, within);
    pointer = pointerAt(pointers, Math.floor(within / (span / perBlock)));
    within %= span / perBlock;
  }
}

function runInPointers(fs: ExtFilesystem, pointers: Uint8Array, first: number): Run {
  const start = pointerAt(pointers, first);
  const step = start === 0 ? 0 : 1;
  let length = 1;
  while (
    (first + length) * 4 < pointers.length &&
    pointerAt(pointers, first + length) === start + length * step
  )
    length++;
  if (start === 0) return { start: undefined, length };
  requireBlocks(fs, start, length);
  return { start, length };
}

const pointerAt = (pointers: Uint8Array, index: number): number =>
  new DataView(pointers.buffer, pointers.byteOffset, pointers.length).getUint32(index * 4, true);
