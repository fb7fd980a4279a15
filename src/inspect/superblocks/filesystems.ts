/** Signatures of filesystems, by the records that each documents as its superblock or boot sector. */

import { KiB } from '../../binary/align.ts';
import { uuidText } from '../../binary/guid.ts';
import type { ContentKind } from '../contents.ts';
import { compat, EXT_MAGIC, incompat, roCompat } from '../ext4/structs.ts';
import { fatKind } from '../fat/boot-sector.ts';
import { type Bytes, content, type Signature } from './signature.ts';

/** What ext3 knows; any other feature makes it ext4. */
const EXT3_INCOMPAT = incompat.filetype | incompat.recover | incompat.metaBg;
const EXT3_RO_COMPAT = roCompat.sparseSuper | roCompat.largeFile | roCompat.btreeDir;

const ext: Signature = {
  places: () => [KiB],
  length: KiB,
  decode: (record) => {
    const { view, text, slice } = record;
    if (view.getUint16(56, true) !== EXT_MAGIC) return undefined;
    const kind = extKind(record);
    return kind && content(kind, text(120, 16), uuidText(slice(104, 16)));
  },
};

function extKind({ view }: Bytes): ContentKind | undefined {
  const features = [92, 96, 100].map((at) => view.getUint32(at, true)) as [number, number, number];
  const [compatible, incompatible, readOnly] = features;
  if ((incompatible & incompat.journalDev) !== 0) return undefined; // a journal alone
  if ((incompatible & ~EXT3_INCOMPAT) !== 0 || (readOnly & ~EXT3_RO_COMPAT) !== 0) return 'ext4';
  return (compatible & compat.hasJournal) === 0 ? 'ext2' : 'ext3';
}

const xfs: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ chars, text, slice }) =>
    chars(0, 4) === 'XFSB' ? content('xfs', text(108, 12), uuidText(slice(32, 16))) : undefined,
};

const btrfs: Signature = {
  places: () => [64 * KiB],
  length: KiB,
  decode: ({ chars, text, slice }) =>
    chars(64, 8) === '_BHRfS_M' ? content('btrfs', text(299, 256), uuidText(slice(32, 16))) : undefined,
};

/** Its label stands in the root directory. */
const fat: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ bytes, view }) => {
    const kind = fatKind(bytes);
    if (kind === undefined) return undefined;
    const isExtended = view.getUint8(kind === 'fat32' ? 66 : 38) === 0x29;
    return content(kind, undefined, isExtended ? serialText(view, kind === 'fat32' ? 67 : 39) : undefined);
  },
};

/** Its label stands in the root directory. */
const exfat: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ chars, view }) =>
    chars(3, 8) === 'EXFAT   ' ? content('exfat', undefined, serialText(view, 100)) : undefined,
};

/** Its label stands in the file `$Volume`. */
const ntfs: Signature = {
  places: () => [0],
  length: 512,
  decode: ({ chars, view }) => {
    if (chars(3, 8) !== 'NTFS    ') return undefined;
    const serial = view.getBigUint64(72, true).toString(16).padStart(16, '0');
    return content('ntfs', undefined, serial.toUpperCase());
  },
};

const squashfs: Signature = {
  places: () => [0],
  length: 96,
  decode: ({ chars, view }) =>
    chars(0, 4) === 'hsqs' && view.getUint16(28, true) === 4 ? { kind: 'squashfs' } : undefined,
};

/** In the volume recognition sequence, behind the descriptors of ISO 9660 where both are there. */
const udf: Signature = {
  places: () => [32 * KiB],
  length: 32 * KiB,
  decode: ({ chars, bytes }) => {
    for (let at = 0; at + 6 <= bytes.length; at += 2 * KiB) {
      const name = chars(at + 1, 5);
      if (name === 'NSR02' || name === 'NSR03') return { kind: 'udf' };
      if (!['CD001', 'BEA01', 'BOOT2', 'CDW02'].includes(name)) return undefined;
    }
    return undefined;
  },
};

/** The primary volume descriptor. What stands for a UUID is the time at which it was made, or changed. */
const iso9660: Signature = {
  places: () => [32 * KiB],
  length: 2 * KiB,
  decode: ({ chars, text }) => {
    if (chars(0, 6) !== '\x01CD001') return undefined;
    const isDate = (date: string) => /^\d{16}$/.test(date) && !/^0*$/.test(date);
    const date = [chars(830, 16), chars(813, 16)].find(isDate);
    const uuid = date?.replace(/^(.{4})(..)(..)(..)(..)(..)(..)$/, '$1-$2-$3-$4-$5-$6-$7');
    return content('iso9660', text(40, 32), uuid);
  },
};

/** The first label's ring of uberblocks; one that was written has its magic number, in the machine's byte order. */
const zfs: Signature = {
  places: () => [128 * KiB],
  length: 8 * KiB,
  decode: ({ view, bytes }) => {
    for (let at = 0; at < bytes.length; at += KiB) {
      const isMagic = [true, false].some((little) => view.getBigUint64(at, little) === 0x00bab10cn);
      if (isMagic) return { kind: 'zfs' };
    }
    return undefined;
  },
};

/** A volume's serial number as it is written: `1234-ABCD`. */
function serialText(view: DataView, at: number): string {
  const serial = view.getUint32(at, true).toString(16).padStart(8, '0').toUpperCase();
  return `${serial.slice(0, 4)}-${serial.slice(4)}`;
}

export const filesystems: readonly Signature[] = [
  xfs,
  ext,
  btrfs,
  ntfs,
  exfat,
  fat,
  squashfs,
  udf,
  iso9660,
  zfs,
];
