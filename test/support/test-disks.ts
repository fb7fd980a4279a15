/** Disks that Debian's own tools make, without mounting: partition tables, filesystems put into partitions. */

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { run } from './native-tools.ts';

/** A sparse file. @param size as truncate takes it: `64M` */
export function emptyDisk(path: string, size: string): string {
  writeFileSync(path, '');
  execFileSync('truncate', ['-s', size, path]);
  return path;
}

export const partitionWithSgdisk = (path: string, args: readonly string[]): Promise<string> =>
  run('sgdisk', [...args, path]);

/** @param script as sfdisk(8) reads it */
export function partitionWithSfdisk(path: string, script: string, args: readonly string[]): void {
  execFileSync('sfdisk', ['-q', ...args, path], { input: script, stdio: ['pipe', 'ignore', 'pipe'] });
}

/** Writes all of one file into another, from `offset` on; zeros at its end are left out. */
export function putFile(disk: string, from: string, offset: number): void {
  putBytes(disk, readFileSync(from), offset);
}

export function putBytes(disk: string, bytes: Uint8Array, offset: number): void {
  const file = openSync(disk, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

export const sizeOf = (path: string): number => statSync(path).size;

/** The least that is a program for UEFI by its headers. @param machine of the COFF header */
export function efiProgram(machine: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4d, 0x5a]);
  view.setUint32(60, 128, true);
  view.setUint32(128, 0x4550, true);
  view.setUint16(132, machine, true);
  return bytes;
}

/** A FAT filesystem with `files` in it, by their paths. @param scratch makes paths of files that may be written */
export function makeFat(
  path: string,
  size: string,
  files: Readonly<Record<string, Uint8Array>>,
  scratch: (name: string) => string,
): string {
  emptyDisk(path, size);
  execFileSync('mkfs.vfat', ['-n', 'ESP', path], { stdio: 'ignore' });
  const made = new Set<string>();
  const env = { ...process.env, MTOOLS_SKIP_CHECK: '1' };
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    const folders = name.split('/').slice(0, -1);
    for (let depth = 1; depth <= folders.length; depth++) {
      const folder = folders.slice(0, depth).join('/');
      if (!made.has(folder)) execFileSync('mmd', ['-i', path, `::${folder}`], { env, stdio: 'pipe' });
      made.add(folder);
    }
    const file = scratch(`fat-file-${index}`);
    writeFileSync(file, content);
    execFileSync('mcopy', ['-o', '-i', path, file, `::${name}`], { env, stdio: 'pipe' });
  }
  return path;
}
