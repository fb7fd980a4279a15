import { guest, lines, type Recipe } from './recipe.ts';

/** An image of one of QEMU's former formats. */
const image = (format: 'qcow' | 'qed', name: string, features: string[], ...command: string[]): Recipe => ({
  file: `${format}/${name}.${format}`,
  format,
  tools: ['qemu-img', 'qemu-io'],
  command: lines(...command),
  features,
});

const writes = "-c 'write -P 1 9M 4k' -c 'write -P 2 1023k 2k' -c 'write -P 3 13308k 4k'";

export const qcowRecipes: Recipe[] = [
  image(
    'qcow',
    'plain',
    ['partial-last-cluster'],
    guest(1_050_112, 'qcow-plain'),
    'qemu-img convert -f raw -O qcow guest.raw plain.qcow',
  ),
  image(
    'qcow',
    'compressed',
    ['compressed'],
    // qemu-img 7.2 cannot convert to compressed QCOW; qemu-io writes the clusters one by one.
    'qemu-img create -q -f qcow compressed.qcow 1M',
    "qemu-io -f qcow -c 'write -c -P 5 0 4k' -c 'write -c -P 6 8k 4k' -c 'write -P 9 64k 8k' compressed.qcow",
    "qemu-io -f qcow -c 'write -c -P 7 1020k 4k' compressed.qcow",
  ),
  image(
    'qcow',
    'any-order',
    ['clusters-out-of-order'],
    'qemu-img create -q -f qcow any-order.qcow 13M',
    `qemu-io -f qcow ${writes} any-order.qcow`,
  ),
  {
    ...image(
      'qcow',
      'backing',
      ['backing-file'],
      guest(1_048_576, 'qcow-base'),
      'cp guest.raw backing-base.raw',
      'qemu-img create -q -f qcow -b backing-base.raw -F raw backing.qcow',
      "qemu-io -f qcow -c 'write -P 7 100k 70k' backing.qcow",
    ),
    expect: 'refused',
    companions: ['backing-base.raw'],
  },
];

export const qedRecipes: Recipe[] = [
  image(
    'qed',
    'plain',
    ['partial-last-cluster'],
    guest(1_050_112, 'qed-plain'),
    'qemu-img convert -f raw -O qed guest.raw plain.qed',
  ),
  image(
    'qed',
    'cluster-4k',
    ['small-clusters', 'large-tables'],
    guest(1_050_112, 'qed-small'),
    'qemu-img convert -f raw -O qed -o cluster_size=4096,table_size=16 guest.raw cluster-4k.qed',
  ),
  image(
    'qed',
    'any-order',
    ['clusters-out-of-order', 'zero-clusters'],
    'qemu-img create -q -f qed any-order.qed 13M',
    `qemu-io -f qed ${writes} -c 'write -z 9M 64k' any-order.qed`,
  ),
  {
    ...image(
      'qed',
      'backing',
      ['backing-file', 'zero-clusters'],
      guest(1_048_576, 'qed-base'),
      'cp guest.raw backing-base.raw',
      'qemu-img create -q -f qed -b backing-base.raw -F raw backing.qed',
      "qemu-io -f qed -c 'write -P 7 100k 70k' -c 'write -z 512k 128k' backing.qed",
    ),
    expect: 'refused',
    companions: ['backing-base.raw'],
  },
];
