/** The code that a BIOS starts, told by the messages in it: in the first sector of a disk, or of the active partition. */

import type { BootFacts } from '../contents.ts';

export type BootCode = BootFacts['bios'];

/** A loader, and texts of which all stand in its first sector. The first that fits is taken. */
const messages: readonly (readonly [BootCode, readonly string[]])[] = [
  ['none', ['This is not a bootable disk']], // what mkfs.fat and mkfs.ntfs write
  ['none', ['Non-system disk']],
  ['grub', ['GRUB', 'Geom']],
  ['syslinux', ['SYSLINUX']],
  ['syslinux', ['EXTLINUX']],
  ['syslinux', ['isolinux.bin']],
  ['syslinux', ['Operating system load error']],
  ['syslinux', ['Missing OS']],
  ['windows', ['BOOTMGR']],
  ['windows', ['NTLDR']],
  ['windows', ['Invalid partition table', 'Missing operating system']],
];

/** Where the table of an MBR begins, and what stands before it. */
const CODE_LENGTH = 440;

/** @param sector the first 512 bytes, or more */
export function bootCodeIn(sector: Uint8Array): BootCode {
  if (sector.subarray(0, CODE_LENGTH).every((byte) => byte === 0)) return 'none';
  const text = new TextDecoder('latin1').decode(sector);
  if (text.startsWith('LILO', 2) || text.startsWith('LILO', 6)) return 'lilo';
  return messages.find(([, texts]) => texts.every((message) => text.includes(message)))?.[0] ?? 'unknown';
}

/** These look for an active partition, and start the code at its beginning. */
export const startsActivePartition = (code: BootCode): boolean =>
  code === 'windows' || code === 'syslinux' || code === 'unknown';

export const isLoader = (code: BootCode): boolean => code !== 'none' && code !== 'unknown';
