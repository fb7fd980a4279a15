/** What rules look at: an image, what is on its disk, and what was said of both. Plain data. */

import type { DiskContents } from '../inspect/contents.ts';
import type { DiskUse, ImportKind, SystemFamily } from '../profiles/profile.ts';

/** What the file of an image tells. Sizes in bytes. */
export interface ImageFacts {
  /** As the user named it; a claim, for the rest. */
  readonly name: string;
  readonly format: string;
  /** `fixed`, `streamOptimized` and the like, for formats that have them. */
  readonly subformat?: string;
  /** What the guest sees. */
  readonly virtualSize: number;
  /** Unpacked, where it was compressed as a whole. */
  readonly fileSize: number;
  /** What the file was compressed with as a whole. */
  readonly wrapper?: string;
  /** Its name in the archive in which it was found. */
  readonly archiveMember?: string;
  /** Is that archive an OVA? */
  readonly isInOva?: boolean;
  readonly isEncrypted: boolean;
  readonly isDirty: boolean;
  /** A backing file or parent, by the name in the image. */
  readonly backing?: string;
  readonly dataFile?: string;
  /** Are the bytes of the disk in other files, which a descriptor names? */
  readonly hasExtentFiles?: boolean;
  readonly snapshotCount: number;
  /** Sizes in the footer of a VHD. */
  readonly vhd?: VhdSizes;
  /** What a ZVHD or ZVHD2 was made from, before it was rounded up to whole GiB. */
  readonly originalSize?: number;
  /** The file with the ending that was asked for beside it, where it was looked for. */
  readonly companion?: { readonly name: string; readonly size: number | undefined };
}

export interface VhdSizes {
  readonly currentSize: number;
  /** The product of the geometry. */
  readonly chsSize: number;
  /** By which of the two its creator goes. */
  readonly rule: 'current' | 'chs';
  /** Bytes of one cylinder. */
  readonly cylinderSize: number;
}

/** What is known of an import beside the image; left out: not known. */
export interface ImportFacts {
  /** `normal` by default. */
  readonly import?: ImportKind;
  /** Bytes of the disk that is chosen for it at registration. */
  readonly diskSize?: number;
  readonly os?: SystemFamily;
  readonly boot?: 'bios' | 'uefi';
  readonly arch?: 'x86' | 'arm';
  /** `system` by default. */
  readonly disk?: DiskUse;
}

export interface Subject {
  readonly image: ImageFacts;
  /** Left out where the disk could not be looked at, for the reason in {@link Subject.unseen}. */
  readonly contents?: DiskContents;
  readonly unseen?: string;
  readonly facts: ImportFacts;
  /** Commands for this image and this cloud. */
  readonly fixes: Fixes;
}

/** Commands that a user can run, ready for a shell. */
export interface Fixes {
  /** Makes what the cloud takes. Left out where nobody can tell. */
  readonly convert?: string;
  /** The same for an image that is in several files. */
  readonly flattened?: string;
  /** The same with another virtual size, in bytes. */
  resized(size: number): string | undefined;
}
