/** Filesystems whose files can be read, by their kinds. */

import type { ContentKind } from './contents.ts';
import { openExt } from './ext4/index.ts';
import { openFat } from './fat/index.ts';
import type { FileNode } from './file-tree.ts';
import type { Volume } from './volume.ts';
import { openXfs } from './xfs/index.ts';

export interface Filesystem {
  readonly root: FileNode;
  /** It says that it was not unmounted cleanly: the newest changes are in its journal, which is not read. */
  readonly needsRecovery: boolean;
}

const openers: Partial<Record<ContentKind, (volume: Volume) => Promise<Filesystem>>> = {
  ext2: openExt,
  ext3: openExt,
  ext4: openExt,
  xfs: openXfs,
  fat12: openFat,
  fat16: openFat,
  fat32: openFat,
};

/** Why the files in other kinds are not seen, where there may be a system in them. */
const reasons: Partial<Record<ContentKind, string>> = {
  btrfs: 'Files in btrfs are not read.',
  zfs: 'Files in ZFS are not read.',
  ntfs: 'Files in NTFS are not read.',
  squashfs: 'Files in squashfs are not read.',
  mdraid: 'Arrays of Linux software RAID are not assembled.',
  luks1: 'It is encrypted.',
  luks2: 'It is encrypted.',
  bitlocker: 'It is encrypted.',
};

/** How its files are read, or `undefined`. */
export const openerOf = (kind: ContentKind): ((volume: Volume) => Promise<Filesystem>) | undefined =>
  openers[kind];

/** Why no files are read where there may be some; `undefined` for kinds that are read, or hold none. */
export const whyNotRead = (kind: ContentKind): string | undefined => reasons[kind];
