import { clusterKinds, compression, sizes, versions } from './qcow2-plain.ts';
import { damaged, encryption, flagsAndExtensions, otherFiles, snapshots } from './qcow2-special.ts';
import type { Recipe } from './recipe.ts';

export const qcow2Recipes: Recipe[] = [
  {
    file: 'qcow2/debian-disk.qcow2',
    format: 'qcow2',
    tools: ['qemu-img', 'sfdisk', 'mkfs.vfat', 'mke2fs'],
    command: 'sh "$FIXTURES/make-debian-disk.sh" debian-disk.qcow2',
    features: ['v3', 'compressed', 'zlib', 'gpt', 'esp', 'ext4'],
    plain: true,
    note: 'the sample for the README and the examples: three partitions with files of Debian in them',
  },
  ...versions,
  ...sizes,
  ...compression,
  ...clusterKinds,
  ...snapshots,
  ...flagsAndExtensions,
  ...otherFiles,
  ...encryption,
  ...damaged,
];
