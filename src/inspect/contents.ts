/** What is on a disk, as data. Names and labels are claims of whoever made the disk: any text, of bounded length. */

/** `none` is told, too, when `notLookedAt` names the partition table. `hybrid`: a GPT, and an MBR that has partitions beside the protective one. */
export type TableKind = 'none' | 'mbr' | 'gpt' | 'hybrid';

/** As the kernel and blkid name them where they have a name. */
export type ContentKind =
  | 'ext2'
  | 'ext3'
  | 'ext4'
  | 'xfs'
  | 'btrfs'
  | 'fat12'
  | 'fat16'
  | 'fat32'
  | 'exfat'
  | 'ntfs'
  | 'iso9660'
  | 'udf'
  | 'squashfs'
  | 'swap'
  | 'lvm2'
  | 'luks1'
  | 'luks2'
  | 'bitlocker'
  | 'mdraid'
  | 'zfs'
  /** Nothing but zeros where superblocks stand. */
  | 'empty'
  | 'unknown';

/** What fills a partition, or a disk without a table. */
export interface Content {
  readonly kind: ContentKind;
  readonly label?: string;
  /** As blkid prints it. */
  readonly uuid?: string;
  /** The clouds refuse what they cannot read. */
  readonly isEncrypted?: true;
}

export interface Partition {
  /** As Linux numbers them: logical ones from 5. */
  readonly number: number;
  /** Bytes of the disk: [start, end). */
  readonly start: number;
  readonly end: number;
  /** `0x83`, or a GUID in lower case. */
  readonly type: string;
  /** What that type is for, where it is known. */
  readonly typeName?: string;
  /** The boot flag of an MBR, or the legacy boot attribute of a GPT. */
  readonly isActive: boolean;
  /** Of a GPT. */
  readonly name?: string;
  readonly uuid?: string;
  readonly content: Content;
}

export type BootMode = 'bios' | 'uefi';
/** `x86`: 64 bits (or 32 for `ia32`, which clouds do not start); `arm`: AArch64. */
export type Architecture = 'x86' | 'ia32' | 'arm' | 'riscv64' | 'loongarch64';

/** How a machine starts from the disk. */
export interface BootFacts {
  /** The boot code in the first sector, or `none`. */
  readonly bios: 'grub' | 'windows' | 'syslinux' | 'lilo' | 'unknown' | 'none';
  /** Loaders at the fallback path of UEFI: `BOOTX64.EFI`. */
  readonly efiLoaders: readonly string[];
  /** Loaders of systems in an EFI partition, as paths: `EFI/debian/shimx64.efi`. */
  readonly vendorLoaders?: readonly string[];
  /** What a machine can be set to, as far as loaders were found. */
  readonly modes: readonly BootMode[];
  readonly architectures: readonly Architecture[];
}

/** A system that is installed on the disk, as far as it was looked at. */
export interface SystemFacts {
  readonly family: 'linux' | 'windows';
  /** The partition of its root; 0 for a disk without a table. */
  readonly partition: number;
  /** From `/etc/os-release`. */
  readonly id?: string;
  readonly versionId?: string;
  readonly prettyName?: string;
  readonly architecture?: Architecture;
  /** Versions, by the names in `/boot`, sorted. */
  readonly kernels?: readonly string[];
  /** Lines of `/etc/fstab` that name a device (`/dev/sda1`) and not a UUID or a label; lines count from 1. */
  readonly fstabDevices?: readonly { readonly line: number; readonly text: string }[];
  /** The initramfs that was looked at. */
  readonly initramfs?: string;
  /** It was read in part, for it is long or broken: drivers that are not listed may be in it. */
  readonly isInitramfsPartial?: true;
  /** `virtio_blk` and the like, in it or built into the kernel; empty where none was found. Left out: not looked at. */
  readonly virtioDrivers?: readonly string[];
  readonly hasCloudInit?: boolean;
  readonly network?: 'dhcp' | 'static' | 'mixed';
}

/** Something that is wrong with the disk, or odd. */
export interface InspectionNote {
  /** Stable. */
  readonly code: string;
  readonly message: string;
  /** `error`: something contradicts its specification. */
  readonly severity: 'error' | 'warning' | 'info';
}

/** Something that a check might need and nobody looked at. */
export interface NotLookedAt {
  readonly what: string;
  readonly why: string;
}

export interface DiskContents {
  readonly table: TableKind;
  /** Bytes in which the table counts: 512 or 4096. */
  readonly sectorSize: number;
  /** The GUID of a GPT, the signature of an MBR (`0x12345678`). */
  readonly diskId?: string;
  /** In the order in which they stand on the disk. */
  readonly partitions: readonly Partition[];
  /** What fills a disk that has no table, or is the image of an optical disc. */
  readonly whole?: Content;
  /** Is it the image of an optical disc (perhaps a hybrid, with a partition table)? */
  readonly isIso: boolean;
  readonly boot: BootFacts;
  readonly systems: readonly SystemFacts[];
  /** Guest offset behind the last partition and what belongs to the table: how far the disk could shrink. */
  readonly usedEnd: number;
  readonly notes: readonly InspectionNote[];
  readonly notLookedAt: readonly NotLookedAt[];
  /** Bytes of the disk that were read. */
  readonly readBytes: number;
}
