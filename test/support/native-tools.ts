/**
 * The native tools that know the same formats, or run what we print: they are asked for a second opinion. A test that needs one is skipped
 * where it is not installed, and says so in its name; with CI set in the environment it fails instead.
 *
 *     apt-get install qemu-utils libvhdi-utils python3-libvhdi python3-libvmdk zsh fish e2fsprogs xfsprogs lvm2 cpio bzip2 lz4 nginx-light xz-utils zstd \
 *       fdisk gdisk dosfstools mtools btrfs-progs ntfs-3g cryptsetup-bin xorriso curl
 */

import { spawnSync } from 'node:child_process';
import { describe, test } from 'vitest';
import { launch } from './launch.ts';

/** Debian's own Python: another one on the PATH has no libvhdi. */
const PYTHON = '/usr/bin/python3';

/** How to see that a tool is there, and where it comes from. */
const tools = {
  'qemu-img': { probe: ['qemu-img', '--version'], package: 'qemu-utils' },
  'qemu-io': { probe: ['qemu-io', '--version'], package: 'qemu-utils' },
  vhdiinfo: { probe: ['vhdiinfo', '-V'], package: 'libvhdi-utils' },
  pyvmdk: { probe: [PYTHON, '-c', 'import pyvmdk'], package: 'python3-libvmdk' },
  bash: { probe: ['bash', '-c', 'true'], package: 'bash' },
  zsh: { probe: ['zsh', '-c', 'true'], package: 'zsh' },
  fish: { probe: ['fish', '-c', 'true'], package: 'fish' },
  mke2fs: { probe: ['mke2fs', '-V'], package: 'e2fsprogs' },
  debugfs: { probe: ['debugfs', '-V'], package: 'e2fsprogs' },
  'mkfs.xfs': { probe: ['mkfs.xfs', '-V'], package: 'xfsprogs' },
  xfs_db: { probe: ['xfs_db', '-V'], package: 'xfsprogs' },
  pvcreate: { probe: ['pvcreate', '--help'], package: 'lvm2' },
  cpio: { probe: ['cpio', '--version'], package: 'cpio' },
  bzip2: { probe: ['bzip2', '--help'], package: 'bzip2' },
  nginx: { probe: ['nginx', '-v'], package: 'nginx-light' },
  curl: { probe: ['curl', '--version'], package: 'curl' },
  lz4: { probe: ['lz4', '--version'], package: 'lz4' },
  xz: { probe: ['xz', '--version'], package: 'xz-utils' },
  zstd: { probe: ['zstd', '--version'], package: 'zstd' },
  blkid: { probe: ['blkid', '-V'], package: 'util-linux' },
  mkswap: { probe: ['mkswap', '-V'], package: 'util-linux' },
  sfdisk: { probe: ['sfdisk', '-v'], package: 'fdisk' },
  sgdisk: { probe: ['sgdisk', '-V'], package: 'gdisk' },
  'mkfs.vfat': { probe: ['mkfs.vfat', '--help'], package: 'dosfstools' },
  mcopy: { probe: ['mcopy', '-V'], package: 'mtools' },
  'mkfs.btrfs': { probe: ['mkfs.btrfs', '-V'], package: 'btrfs-progs' },
  'mkfs.ntfs': { probe: ['mkfs.ntfs', '-V'], package: 'ntfs-3g' },
  cryptsetup: { probe: ['cryptsetup', '-V'], package: 'cryptsetup-bin' },
  xorriso: { probe: ['xorriso', '-version'], package: 'xorriso' },
  pyvhdi: { probe: [PYTHON, '-c', 'import pyvhdi'], package: 'python3-libvhdi' },
} as const satisfies Record<string, { probe: readonly [string, ...string[]]; package: string }>;

export type ToolName = keyof typeof tools;

function isInstalled(name: ToolName): boolean {
  const [file, ...args] = tools[name].probe;
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}

/** Tests that need all of `names`. */
export function describeWith(names: readonly ToolName[], title: string, body: () => void): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  const packages = [...new Set(missing.map((name) => tools[name].package))].join(' ');
  const reason = `needs ${missing.join(', ')}: apt-get install ${packages}`;
  if (process.env.CI) {
    test(`${title} (${reason})`, () => {
      throw new Error(`CI must not skip this: it ${reason}`);
    });
  } else {
    describe.skip(`${title} (skipped: ${reason})`, body);
  }
}

/** Runs a program and returns its standard output; a failure has the program's own words. */
export async function run(file: string, args: readonly string[]): Promise<string> {
  const { code, out, err } = await launch(file, args);
  if (code === 0) return out;
  throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${err}${out}`);
}

export const qemuImg = (args: readonly string[]): Promise<string> => run('qemu-img', args);

/** Runs qemu-io's `commands` on an existing image, which they may write to. */
export async function qemuIo(format: string, path: string, commands: readonly string[]): Promise<void> {
  await run('qemu-io', ['-f', format, ...commands.flatMap((command) => ['-c', command]), path]);
}

/** `qemu-img info` as data. */
export const qemuInfo = async (format: string, path: string): Promise<Record<string, unknown>> =>
  JSON.parse(await qemuImg(['info', '-f', format, '--output=json', path]));

/** qemu's name of a format. */
export const qemuFormat = (format: string): string => (format === 'vhd' ? 'vpc' : format);

/** What libvhdi says of a VHD. */
export const vhdInfo = (path: string): Promise<string> => run('vhdiinfo', [path]);

/** The bytes that libvhdi says the medium of a VHD has. */
export async function vhdMediaSize(path: string): Promise<number> {
  const output = await vhdInfo(path);
  const match = /Media size\s*:.*?(\d+) bytes/.exec(output);
  if (match === null) throw new Error(`vhdiinfo tells no media size:\n${output}`);
  return Number(match[1]);
}

const READ_VHD = `
import hashlib, pyvhdi, sys
image = pyvhdi.file()
image.open(sys.argv[1])
if len(sys.argv) > 2:
    parent = pyvhdi.file()
    parent.open(sys.argv[2])
    image.set_parent(parent)
digest, left = hashlib.sha256(), image.get_media_size()
while left > 0:
    part = image.read_buffer(min(left, 1 << 20))
    digest.update(part)
    left -= len(part)
print(digest.hexdigest())
`;

/** SHA-256 of a VHD's guest bytes, read by libvhdi; of a differencing one with its parent. */
export const vhdSha256 = async (path: string, parent?: string): Promise<string> =>
  (await run(PYTHON, ['-c', READ_VHD, path, ...(parent === undefined ? [] : [parent])])).trim();

const READ_VMDK = `
import hashlib, pyvmdk, sys
handle = pyvmdk.handle()
handle.open(sys.argv[1])
handle.open_extent_data_files()
digest, left = hashlib.sha256(), handle.get_media_size()
while left > 0:
    part = handle.read_buffer(min(left, 1 << 20))
    digest.update(part)
    left -= len(part)
print(digest.hexdigest())
`;

/** SHA-256 of a VMDK's guest bytes, read by libvmdk. */
export const vmdkSha256 = async (path: string): Promise<string> =>
  (await run(PYTHON, ['-c', READ_VMDK, path])).trim();
