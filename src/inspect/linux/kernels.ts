/** Kernels in `/boot` by their names, and the initramfs that goes with one. */

import type { FileTree } from '../file-tree.ts';
import { compareVersions } from './text.ts';

/** More are not listed. */
const MAX_KERNELS = 64;

const KERNEL = /^(?:vmlinuz|vmlinux|kernel|Image|image|bzImage)-(.+)$/;
/** Of rescue images, and of kernels for crash dumps. */
const SPECIAL = /rescue|kdump|fallback|\.old$|\.bak$|\.hmac$|\.sig$/;

/** Versions, the newest last. */
export function kernelVersions(names: readonly string[]): string[] {
  const versions = names.flatMap((name) => {
    const version = KERNEL.exec(name)?.[1]?.replace(/\.(gz|efi|img)$/, '');
    return version === undefined || SPECIAL.test(name) ? [] : [version];
  });
  return [...new Set(versions)].sort(compareVersions).slice(-MAX_KERNELS);
}

/** The initramfs of `version`, or the newest where none has that name; without the folder. */
export function initramfsOf(names: readonly string[], version: string | undefined): string | undefined {
  const candidates = names.filter((name) => /^init(?:rd|ramfs|\.rd)/.test(name) && !SPECIAL.test(name));
  const own = candidates.find(
    (name) =>
      version !== undefined &&
      [
        `initrd.img-${version}`,
        `initramfs-${version}.img`,
        `initrd-${version}`,
        `initramfs-${version}`,
      ].includes(name),
  );
  return own ?? candidates.sort(compareVersions).at(-1);
}

/** Drivers without which a machine of a cloud finds neither its disk nor its network, and their options in a kernel. */
const VIRTIO_OPTIONS = {
  virtio_blk: 'CONFIG_VIRTIO_BLK',
  virtio_net: 'CONFIG_VIRTIO_NET',
  virtio_pci: 'CONFIG_VIRTIO_PCI',
  virtio_scsi: 'CONFIG_SCSI_VIRTIO',
} as const;

export const VIRTIO_DRIVERS: readonly string[] = Object.keys(VIRTIO_OPTIONS);

/** The driver that a file holds, by its path: `kernel/drivers/block/virtio_blk.ko.zst`. */
export function driverOf(path: string): string | undefined {
  const name = /([^/]+)\.ko(?:\.(?:xz|zst|gz|bz2|lzma|lz4))?$/.exec(path)?.[1]?.replaceAll('-', '_');
  return name !== undefined && VIRTIO_DRIVERS.includes(name) ? name : undefined;
}

/** A list of some 30 KiB, and a configuration of some 300 KiB. */
const MAX_LIST = 1024 * 1024;

/** Drivers that are part of the kernel itself; `undefined` when nothing tells. */
export async function builtInDrivers(tree: FileTree, version: string): Promise<string[] | undefined> {
  const text = async (path: string): Promise<string | undefined> => {
    const bytes = await tree.readFile(path, MAX_LIST);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  };
  for (const modules of ['/lib/modules', '/usr/lib/modules']) {
    const list = await text(`${modules}/${version}/modules.builtin`);
    if (list !== undefined) return list.split('\n').flatMap((line) => driverOf(line) ?? []);
  }
  const config = await text(`/boot/config-${version}`);
  if (config === undefined) return undefined;
  const set = new Set(config.split('\n'));
  return Object.entries(VIRTIO_OPTIONS).flatMap(([driver, option]) =>
    set.has(`${option}=y`) ? [driver] : [],
  );
}
