/**
 * What a cloud asks of images that it imports, as data: rules of a few kinds, each with where it is written. A user's own
 * profile is JSON of the same shape.
 */

/** Where a rule is written down. */
export interface Source {
  readonly title: string;
  readonly url: string;
  /** Of the text: `2026`, `2026-07` or `2026-07-14`. */
  readonly date: string;
  /** The text has no date: it is the day on which it was read. */
  readonly isDateOfReading?: true;
}

/** `error`: an image that breaks the rule is refused, or does not start. `warning`: it may be. */
export type RuleSeverity = 'error' | 'warning';

export type ImportKind = 'normal' | 'fast';
export type SystemFamily = 'linux' | 'windows';
export type DiskUse = 'system' | 'data';

/** When a rule counts: every field that is given must be so. */
export interface RuleCondition {
  readonly import?: ImportKind;
  readonly os?: SystemFamily;
  readonly disk?: DiskUse;
  readonly boot?: 'bios' | 'uefi';
  readonly table?: 'none' | 'mbr' | 'gpt';
  readonly formats?: readonly string[];
  readonly isIso?: boolean;
  /** This was said of the image. */
  readonly said?: 'os' | 'boot' | 'arch';
}

/** What is asked for; sizes in bytes unless the name says otherwise. */
export type Requirement =
  /** `vhd`, or with the subformat: `vhd-fixed`, `vmdk-streamOptimized`. `wrappers`: what it may be compressed with as a whole. */
  | { readonly kind: 'formats'; readonly formats: readonly string[]; readonly wrappers?: readonly string[] }
  /** The disk must be this member of a tar archive that is compressed so. */
  | { readonly kind: 'archive'; readonly member: string; readonly wrapper: string }
  | { readonly kind: 'file-size'; readonly min?: number; readonly max?: number }
  /** The file is the disk and so many bytes. */
  | { readonly kind: 'file-size-over-disk'; readonly bytes: number }
  /** `below` does not contain its value. */
  | {
      readonly kind: 'virtual-size';
      readonly min?: number;
      readonly max?: number;
      readonly below?: number;
      readonly multipleOf?: number;
    }
  /** Of the disk that is chosen at registration. */
  | { readonly kind: 'disk-size-range'; readonly minGiB: number; readonly maxGiB: number }
  /** That disk must hold the image; `disputed`: documents differ on whether one of just that size does. */
  | { readonly kind: 'disk-fits'; readonly equal: 'fits' | 'disputed' }
  | { readonly kind: 'whole-gib-disk' }
  /** The size of a VHD is the one that was meant. */
  | { readonly kind: 'vhd-size' }
  | { readonly kind: 'outside-files'; readonly refused: readonly OutsideFile[] }
  /** The image itself, not a volume on its disk. */
  | { readonly kind: 'no-encrypted-image' }
  | { readonly kind: 'internal-snapshots' }
  | { readonly kind: 'vmdk-types'; readonly types: readonly string[] }
  /** What the file is called goes with what it is. */
  | { readonly kind: 'declared-format' }
  /** Characters of the name of the file, without its folder and, with `allowed`, without its ending. */
  | { readonly kind: 'file-name'; readonly allowed?: string; readonly refused?: string }
  /** Another file stands beside the image, with this ending in the place of its own. */
  | { readonly kind: 'companion-file'; readonly ending: string }
  | { readonly kind: 'boot-modes'; readonly modes: readonly ('bios' | 'uefi')[] }
  /** Machines of this architecture start in this way only. */
  | { readonly kind: 'boot-of-architecture'; readonly architecture: string; readonly mode: 'bios' | 'uefi' }
  | { readonly kind: 'architectures'; readonly architectures: readonly string[] }
  /** What was said of the image is what stands on its disk. */
  | { readonly kind: 'boot-as-said' }
  | { readonly kind: 'architecture-as-said' }
  | { readonly kind: 'os-as-said' }
  | { readonly kind: 'partition-table'; readonly tables: readonly ('mbr' | 'gpt')[] }
  | { readonly kind: 'no-encrypted-volumes' }
  | { readonly kind: 'no-optical-disc' }
  | { readonly kind: 'os-family'; readonly family: SystemFamily }
  | { readonly kind: 'one-system' }
  | { readonly kind: 'root-filesystem' }
  | { readonly kind: 'fstab-by-uuid' }
  | { readonly kind: 'root-by-uuid' }
  | { readonly kind: 'virtio-drivers'; readonly drivers: readonly string[] }
  | { readonly kind: 'cloud-init' }
  | { readonly kind: 'dhcp' }
  | { readonly kind: 'no-lvm-root' }
  | { readonly kind: 'clean-shutdown' };

export type OutsideFile = 'backing' | 'data-file' | 'extents';
export type RequirementKind = Requirement['kind'];
export type RequirementOf<K extends RequirementKind> = Extract<Requirement, { readonly kind: K }>;

export interface Rule {
  /** Stable, and one of its kind in a profile. */
  readonly id: string;
  readonly severity: RuleSeverity;
  readonly requires: Requirement;
  readonly when?: RuleCondition;
  /** Keys of the profile's sources. */
  readonly sources: readonly [string, ...string[]];
  /** What the cloud calls the failure: `IMG.0059`. */
  readonly cloudCode?: string;
  /** What a user should know of the rule. */
  readonly note?: string;
}

/** What to convert an image into for the cloud. */
export interface ImportTarget {
  readonly format: string;
  /** Options of the format, under the names of the library. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** The virtual size is rounded up to a multiple of so many bytes. */
  readonly sizeUnit?: number;
  /** The image is put into an archive: a tar of old GNU flavour with this member, packed with gzip. */
  readonly archiveMember?: string;
  /** Why this one. */
  readonly why: string;
}

export interface Profile {
  /** As `--for` takes it. */
  readonly name: string;
  readonly title: string;
  /** Is there a second way to import, with rules of its own? */
  readonly hasFastImport?: true;
  readonly sources: Readonly<Record<string, Source>>;
  readonly rules: readonly Rule[];
  readonly target?: ImportTarget;
}
