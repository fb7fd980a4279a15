/**
 * xfs, read-only: as much as it takes to find files by their names and read them. Source: "XFS Algorithms & Data
 * Structures".
 */

import { type FileNode, MAX_DIRECTORY_BYTES, MAX_PATH } from '../file-tree.ts';
import type { Volume } from '../volume.ts';
import { runAt } from './block-map.ts';
import { type DirectoryEntry, entriesOf, shortEntries } from './directory.ts';
import { type Inode, readInode } from './inode.ts';
import { needsReplay } from './log.ts';
import { corrupt, isSealed, openSuperblock, type XfsFilesystem } from './superblock.ts';

export interface Xfs {
  readonly root: FileNode;
  /** The newest changes are in the log, which is not read; or the filesystem asks for a repair. */
  readonly needsRecovery: boolean;
}

/**
 * @throws CorruptImageError when it contradicts itself; its files throw the same later
 * @throws UnsupportedFeatureError `unsupported-feature`, `unsupported-version`
 */
export async function openXfs(volume: Volume): Promise<Xfs> {
  const fs = await openSuperblock(volume);
  const root = nodeOf(fs, await readInode(fs, fs.rootInode));
  if (root.kind !== 'directory') throw corrupt('bad-table', 'The root is not a directory.');
  return { root, needsRecovery: fs.needsRepair || (await needsReplay(fs)) };
}

const decoder = new TextDecoder();

function nodeOf(fs: XfsFilesystem, inode: Inode): FileNode {
  const isDirectory = inode.kind === 'directory';
  return {
    kind: inode.kind,
    size: inode.size,
    async names() {
      if (!isDirectory) return [];
      const names: string[] = [];
      for await (const { name } of walk(fs, inode)) names.push(decoder.decode(name));
      return names.filter((name) => name !== '.' && name !== '..');
    },
    async child(name) {
      if (!isDirectory) return undefined;
      const wanted = new TextEncoder().encode(name);
      for await (const entry of walk(fs, inode)) {
        const isIt =
          entry.name.length === wanted.length && entry.name.every((byte, index) => byte === wanted[index]);
        if (isIt) return nodeOf(fs, await readInode(fs, entry.inode));
      }
      return undefined;
    },
    read: (offset, length) =>
      inode.kind === 'file' ? readFile(fs, inode, offset, length) : Promise.resolve(new Uint8Array()),
    target: async () => (inode.kind === 'symlink' ? decoder.decode(await readTarget(fs, inode)) : ''),
  };
}

async function* walk(fs: XfsFilesystem, inode: Inode): AsyncIterable<DirectoryEntry> {
  if (inode.format === 'local') {
    yield* shortEntries(fs, inode);
    return;
  }
  const blocks = fs.directoryBlockSize / fs.blockSize;
  const end = Math.floor(Math.min(inode.size, MAX_DIRECTORY_BYTES) / fs.blockSize);
  for (let block = 0; block < end; ) {
    const run = await runAt(fs, inode, block);
    // Blocks of a directory that have become empty are holes.
    if (run.start === undefined) block += Math.max(blocks, Math.floor(run.length / blocks) * blocks);
    else {
      yield* entriesOf(fs, inode, await readFile(fs, inode, block * fs.blockSize, fs.directoryBlockSize));
      block += blocks;
    }
  }
}

async function readFile(
  fs: XfsFilesystem,
  inode: Inode,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const end = Math.min(offset + length, inode.size);
  const into = new Uint8Array(Math.max(0, end - offset));
  for (let at = offset; at < end; ) {
    const block = Math.floor(at / fs.blockSize);
    const run = await runAt(fs, inode, block);
    const runEnd = Math.min(end, (block + run.length) * fs.blockSize);
    if (run.start !== undefined)
      into.set(await fs.volume.read(run.start + (at - block * fs.blockSize), runEnd - at), at - offset);
    at = runEnd;
  }
  return into;
}

const TARGET_HEADER = 56;
const TARGET_CHECKSUM_AT = 12;

/** In the inode, or in blocks of which each has a header (version 5). */
async function readTarget(fs: XfsFilesystem, inode: Inode): Promise<Uint8Array> {
  const size = Math.min(inode.size, MAX_PATH + 1);
  if (inode.format === 'local') return inode.fork.subarray(0, size);
  if (!fs.hasChecksums) return readFile(fs, inode, 0, size);
  const into = new Uint8Array(size);
  for (let at = 0, block = 0; at < size; block++) {
    const { start } = await runAt(fs, inode, block);
    if (start === undefined) throw corrupt('bad-table', `Symlink ${inode.number} has a hole.`);
    const bytes = await fs.volume.read(start, fs.blockSize);
    const part = bytes.subarray(TARGET_HEADER, TARGET_HEADER + size - at);
    if (String.fromCharCode(...bytes.subarray(0, 4)) !== 'XSLM' || !isSealed(bytes, TARGET_CHECKSUM_AT))
      throw corrupt('bad-checksum', `Symlink ${inode.number} does not have its checksum.`);
    into.set(part, at);
    at += part.length;
  }
  return into;
}
