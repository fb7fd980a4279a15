/** Signatures of what holds other volumes: encryption, LVM2, software RAID, swap space. */

import { alignDown, KiB } from '../../binary/align.ts';
import { guidText, uuidText } from '../../binary/guid.ts';
import { content, isZero, type Signature } from './signature.ts';

/** LUKS1 On-Disk Format Specification; LUKS2 On-Disk Format Specification, 2.1. Big-endian. */
const luks: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ chars, text, view }) => {
    if (chars(0, 6) !== 'LUKS\xba\xbe') return undefined;
    const version = view.getUint16(6);
    if (version !== 1 && version !== 2) return undefined;
    const label = version === 2 ? text(24, 48) : undefined;
    return { ...content(version === 1 ? 'luks1' : 'luks2', label, text(168, 40)), isEncrypted: true };
  },
};

/**
 * BitLocker (libbde, "BitLocker Drive Encryption (BDE) format"): where others name their maker the boot sector has a
 * signature. On removable drives, with a FAT boot sector for older systems, only a GUID tells it.
 */
const bitlocker: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ chars, slice }) => {
    const isToGo = chars(3, 8) === 'MSWIN4.1' && guidText(slice(424, 16)) === BITLOCKER;
    return chars(3, 8) === '-FVE-FS-' || isToGo ? { kind: 'bitlocker', isEncrypted: true } : undefined;
  },
};
const BITLOCKER = '4967d63b-2e29-4ad8-8399-f6a339e3d001';

/** A label is in one of the first four sectors; the header of the physical volume stands in the same one. */
const lvm2: Signature = {
  places: () => [0, 512, 1024, 1536],
  length: 512,
  decode: ({ chars, view }) => {
    if (chars(0, 8) !== 'LABELONE' || chars(24, 8) !== 'LVM2 001') return undefined;
    const headerAt = view.getUint32(20, true);
    const id = headerAt + 32 <= 512 ? chars(headerAt, 32) : '';
    const uuid = /^[0-9A-Za-z!#]{32}$/.test(id)
      ? id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7')
      : undefined;
    return content('lvm2', undefined, uuid);
  },
};

const MD_MAGIC = 0xa92b4efc;
/** Versions 1.1, 1.2 and 1.0 differ in where the superblock stands. */
const mdraid1: Signature = {
  places: (size) => [0, 4 * KiB, alignDown(size - 8 * KiB, 4 * KiB)],
  length: 256,
  decode: ({ view, slice, text }) =>
    view.getUint32(0, true) === MD_MAGIC && view.getUint32(4, true) === 1
      ? content('mdraid', text(32, 32), uuidText(slice(16, 16)))
      : undefined,
};
/** Version 0.90: at the end, in the byte order of the machine. */
const mdraid0: Signature = {
  places: (size) => [alignDown(size, 64 * KiB) - 64 * KiB],
  length: 256,
  decode: ({ view, slice }) => {
    const isLittle = view.getUint32(0, true) === MD_MAGIC;
    if (!isLittle && view.getUint32(0) !== MD_MAGIC) return undefined;
    if (view.getUint32(4, isLittle) !== 0) return undefined;
    const uuid = new Uint8Array(16);
    uuid.set(slice(20, 4));
    uuid.set(slice(52, 12), 4);
    return content('mdraid', undefined, uuidText(uuid));
  },
};

/** The signature is at the end of the first page, whose size is that of the machine. Names stand at the same place in all. */
const swap: Signature = {
  places: () => [1 * KiB],
  length: 63 * KiB,
  decode: ({ chars, slice, text }) => {
    const isSwap = [4, 8, 16, 64].some((page) => SWAP_NAMES.includes(chars((page - 1) * KiB - 10, 10)));
    if (!isSwap) return undefined;
    const uuid = slice(12, 16);
    return content('swap', text(28, 16), isZero(uuid) ? undefined : uuidText(uuid));
  },
};
const SWAP_NAMES = ['SWAPSPACE2', 'SWAP-SPACE'];

export const containers: readonly Signature[] = [luks, bitlocker, lvm2, mdraid1, mdraid0, swap];
