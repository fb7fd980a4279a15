// What a fixture is, as data. regenerate.ts runs these; the manifest repeats them for tests and readers.

export interface Recipe {
  /** Path under native-fixtures/, without the .gz. The command leaves the image under its last part. */
  file: string;
  format: 'raw' | 'vhd' | 'qcow2' | 'vdi' | 'vmdk' | 'vhdx' | 'qcow' | 'qed' | 'luks';
  /** Programs that made the image, each with its version in the manifest. */
  tools: ToolName[];
  /** Shell lines, run in an empty folder with $FIXTURES set to native-fixtures/. */
  command: string;
  features: string[];
  expect?: 'readable' | 'refused';
  note?: string;
  /** Stored as it is, not gzipped. */
  plain?: true;
  /** Differs on every run without need: made only when it is missing. */
  keep?: true;
  /** Files that the image names, stored beside it, so that a reader that is allowed to may open them. */
  companions?: string[];
  /** An image of the command with the same guest, for digests of images that the tool itself cannot open. */
  digestFrom?: string;
  /** Of an encrypted image, which is refused without it. */
  passphrase?: string;
  /** Overrides the tool's own choice between the sizes of a VHD, where it differs from the rule. */
  vhdSize?: 'current_size' | 'chs';
  /** Guest ranges to digest instead of the whole guest, for disks too large to read through. */
  dataRanges?: { guestOffset: number; length: number }[];
}

export type ToolName = 'qemu-img' | 'qemu-io' | 'sfdisk' | 'mkfs.vfat' | 'mke2fs' | 'grub-rescue-pc';

/** The shell line that makes guest bytes; see guest-content.ts. */
export const guest = (size: number, seed: string, solid?: { at: number; length: number }): string =>
  `node "$FIXTURES/guest-content.ts" ${size} ${seed}${solid ? ` ${solid.at} ${solid.length}` : ''} > guest.raw`;

export const lines = (...parts: string[]): string => parts.join('\n');
