/**
 * A disk as people have it: an ext4 filesystem, half full of the files that are found on this machine. They are
 * copied, in sorted order, so the same installation gives the same files.
 */

import { spawnSync } from 'node:child_process';
import {
  constants,
  copyFileSync,
  type Dirent,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { alignUp, KiB, MiB } from '../../src/binary/align.ts';
import { writeFill } from './fills.ts';

/** Programs, libraries, sources, documents: what is found on any Linux. */
const ROOTS = ['/usr', '/lib', '/opt'];
/** No single file makes up much of the disk. */
const MAX_FILE = 128 * MiB;
const UUID = '6469736b-696d-4067-a265-6e63680000ff';

const mke2fs = ['mke2fs', '/usr/sbin/mke2fs', '/sbin/mke2fs'].find(
  (path) => spawnSync(path, ['-V']).status === 0,
);

export const canMakeFilesystems = (): boolean => mke2fs !== undefined;

/** Without mke2fs the disk is a synthetic one, half filled. */
export function writeDisk(path: string, size: number, seed: number): void {
  if (mke2fs === undefined) {
    writeFill(path, size, 50, seed);
    return;
  }
  const tree = `${path}.tree`;
  rmSync(tree, { recursive: true, force: true });
  try {
    const { bytes, entries } = copyFiles(tree, size / 2);
    const missing = size / 2 - bytes;
    // A machine with few files: the rest is synthetic.
    if (missing > size / 50) writeFill(join(tree, 'synthetic'), alignUp(missing, 4 * MiB), 100, seed);
    rmSync(path, { force: true });
    makeFilesystem(mke2fs, path, tree, size, entries);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function makeFilesystem(program: string, path: string, tree: string, size: number, entries: number): void {
  const inodes = Math.ceil(entries * 1.1) + 1024;
  const args = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-m',
    '0',
    '-U',
    UUID,
    '-E',
    `hash_seed=${UUID}`,
    '-N',
    `${inodes}`,
  ];
  const { status, stderr } = spawnSync(program, [...args, '-d', tree, path, `${size / KiB}k`], {
    env: { ...process.env, E2FSPROGS_FAKE_TIME: '1700000000' },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`mke2fs failed: ${stderr}`);
  truncateSync(path, size);
}

/** Copies files below `tree` until they take up `wanted` bytes on a disk. */
function copyFiles(tree: string, wanted: number): { bytes: number; entries: number } {
  let bytes = 0;
  let entries = 0;
  mkdirSync(tree);
  for (const file of filesBelowRoots(dirname(tree))) {
    if (wanted - bytes < 64 * KiB) break;
    const size = alignUp(lstatSync(file).size, 4 * KiB);
    if (size > Math.min(MAX_FILE, wanted - bytes)) continue;
    const target = join(tree, file);
    entries += 1 + makeFolder(dirname(target));
    try {
      copyFileSync(file, target, constants.COPYFILE_FICLONE);
      bytes += size;
    } catch {
      rmSync(target, { force: true }); // not readable by this user
    }
  }
  return { bytes, entries };
}

/** Makes a folder and those above it; returns how many were made. */
function makeFolder(folder: string): number {
  const first = mkdirSync(folder, { recursive: true });
  return first === undefined ? 0 : relative(dirname(first), folder).split(sep).length;
}

function* filesBelowRoots(corpus: string): Generator<string> {
  for (const root of ROOTS) yield* filesBelow(root, corpus);
}

/** Regular files in sorted order; links, special files and the corpus itself are left out. */
function* filesBelow(folder: string, corpus: string): Generator<string> {
  if (folder === corpus) return;
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path, corpus);
    else if (entry.isFile()) yield path;
  }
}

function entriesOf(folder: string): Dirent[] {
  try {
    if (lstatSync(folder).isSymbolicLink()) return [];
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return []; // not there, or not readable by this user
  }
}
