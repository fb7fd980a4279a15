import { guest, lines, type Recipe } from './recipe.ts';

/** qemu-img gives every image a random content ID: they are made once. */
const vmdk = (name: string, features: string[], ...command: string[]): Recipe => ({
  file: `vmdk/${name}.vmdk`,
  format: 'vmdk',
  tools: ['qemu-img', 'qemu-io'],
  command: lines(...command),
  features,
  keep: true,
});

/** The descriptor alone: its extent is another file, which a reader opens only when it may. */
const split = (recipe: Recipe, companion: string): Recipe => ({
  ...recipe,
  expect: 'refused',
  note: 'guest data is in another file',
  companions: [companion],
});

export const vmdkRecipes: Recipe[] = [
  vmdk(
    'sparse',
    ['monolithicSparse', 'partial-last-grain'],
    guest(2_500_096, 'vmdk-sparse'),
    'qemu-img convert -f raw -O vmdk guest.raw sparse.vmdk',
  ),
  vmdk(
    'stream',
    ['streamOptimized', 'partial-last-grain'],
    guest(2_500_096, 'vmdk-stream'),
    'qemu-img convert -f raw -O vmdk -o subformat=streamOptimized guest.raw stream.vmdk',
  ),
  split(
    vmdk(
      'flat',
      ['monolithicFlat'],
      guest(1_049_088, 'vmdk-flat'),
      'qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat guest.raw flat.vmdk',
    ),
    'flat-flat.vmdk',
  ),
  split(
    vmdk(
      'split',
      ['twoGbMaxExtentSparse'],
      guest(1_049_088, 'vmdk-split'),
      'qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentSparse guest.raw split.vmdk',
    ),
    'split-s001.vmdk',
  ),
  vmdk('empty', ['monolithicSparse', 'no-data'], 'qemu-img create -q -f vmdk empty.vmdk 64M'),
  vmdk(
    'zeroed-grains',
    ['monolithicSparse', 'version-2', 'zeroed-grains', 'grains-out-of-order'],
    'qemu-img create -q -f vmdk -o zeroed_grain=on,adapter_type=lsilogic,hwversion=13 zeroed-grains.vmdk 40M',
    "qemu-io -f vmdk -c 'write -P 1 39M 4k' -c 'write -P 2 1023k 2k' -c 'write -P 3 0 64k' -c 'write -z 1M 64k' zeroed-grains.vmdk",
  ),
];
