/**
 * ext2, ext3 and ext4, read-only: as much as it takes to find files by their names and read them. Source: the kernel's
 * `Documentation/filesystems/ext4/`.
 */

import { UnsupportedFeatureError } from '../../errors.ts';
import { type FileNode, MAX_DIRECTORY_BYTES, MAX_PATH } from '../file-tree.ts';
import type { Volume } from '../volume.ts';
import { runAt } from './block-map.ts';
import { type DirectoryEntry, entriesOf } from './directory.ts';
import { inlineRest } from './inline-data.ts';
import { corrupt, hasFlag, type Inode, ROOT_INODE, readInode } from './inode.ts';
import { type ExtFilesystem, openSuperblock } from './superblock.ts';

export interface Ext {
  readonly root: FileNode;
  /** The newest changes are in the journal, which is not read. */
  readonly needsRecovery: boolean;
}

/**
 * @throws CorruptImageError when it contradicts itself; its files throw the same later
 * @throws UnsupportedFeatureError `unsupported-feature`
 */
export async function openExt(volume: Volume): Promise<Ext> {
  const fs = await openSuperblock(volume);
  const root = nodeOf(fs, await readInode(fs, ROOT_INODE));
  if (root.kind !== 'directory') throw corrupt('bad-table', 'The root is not a directory.');
  return { root, needsRecovery: fs.needsRecovery };
}

function nodeOf(fs: ExtFilesystem, inode: Inode): FileNode {
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
        if (isEqual(entry.name, wanted)) return nodeOf(fs, await readInode(fs, entry.inode));
      }
      return undefined;
    },
    read: (offset, length) => readFile(fs, inode, offset, length),
    async target() {
      if (inode.kind !== 'symlink') return '';
      requireReadable(inode);
      const isShort =
        inode.size < inode.block.length && !hasFlag(inode, 'extents') && !hasFlag(inode, 'inlineData');
      const bytes = isShort
        ? inode.block.subarray(0, inode.size)
        : await readFile(fs, inode, 0, Math.min(inode.size, MAX_PATH + 1));
      return decoder.decode(bytes);
    },
  };
}

const decoder = new TextDecoder();

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

async function* walk(fs: ExtFilesystem, inode: Inode): AsyncIterable<DirectoryEntry> {
  requireReadable(inode);
  if (hasFlag(inode, 'inlineData')) {
    // The parent's inode number takes the first four bytes.
    yield* entriesOf(fs, inode, inode.block.subarray(4));
    yield* entriesOf(fs, inode, inlineRest(inode));
    return;
  }
  const end = Math.min(inode.size, MAX_DIRECTORY_BYTES);
  for (let at = 0; at < end; ) {
    const run = await runAt(fs, inode, at / fs.blockSize);
    const length = Math.min(end - at, run.length * fs.blockSize);
    if (run.start === undefined) {
      at += length;
      continue;
    }
    for (let read = 0; read < length; read += fs.blockSize)
      yield* entriesOf(fs, inode, await fs.volume.read(run.start * fs.blockSize + read, fs.blockSize));
    at += Math.ceil(length / fs.blockSize) * fs.blockSize;
  }
}

async function readFile(
  fs: ExtFilesystem,
  inode: Inode,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  requireReadable(inode);
  const end = Math.min(offset + length, inode.size);
  const into = new Uint8Array(Math.max(0, end - offset));
  if (hasFlag(inode, 'inlineData')) {
    const whole = new Uint8Array([...inode.block, ...inlineRest(inode)]);
    if (whole.length < end)
      throw corrupt('bad-table', `The data within inode ${inode.number} ends too early.`);
    into.set(whole.subarray(offset, end));
    return into;
  }
  for (let at = offset; at < end; ) {
    const block = Math.floor(at / fs.blockSize);
    const run = await runAt(fs, inode, block);
    const runEnd = Math.min(end, (block + run.length) * fs.blockSize);
    if (run.start !== undefined) {
      const from = run.start * fs.blockSize + (at - block * fs.blockSize);
      into.set(await fs.volume.read(from, runEnd - at), at - offset);
    }
    at = runEnd;
  }
  return into;
}

function requireReadable(inode: Inode): void {
  const isHidden = hasFlag(inode, 'encrypted');
  if (!isHidden && !hasFlag(inode, 'compressed')) return;
  const how = isHidden ? 'encrypted' : 'compressed';
  throw new UnsupportedFeatureError('unsupported-feature', `ext4: inode ${inode.number} is ${how}.`, {
    format: 'ext4',
  });
}
