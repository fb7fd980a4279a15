import { guest, lines, type Recipe } from './recipe.ts';

/** qemu-img gives every image random UUIDs: they are made once. */
const vdi = (name: string, features: string[], ...command: string[]): Recipe => ({
  file: `vdi/${name}.vdi`,
  format: 'vdi',
  tools: ['qemu-img', 'qemu-io'],
  command: lines(...command),
  features,
  keep: true,
});

export const vdiRecipes: Recipe[] = [
  vdi(
    'dynamic',
    ['dynamic', 'partial-last-block'],
    guest(5_000_192, 'vdi-dynamic'),
    'qemu-img convert -f raw -O vdi guest.raw dynamic.vdi',
  ),
  vdi(
    'static',
    ['static'],
    guest(2_097_664, 'vdi-static'),
    'qemu-img convert -f raw -O vdi -o static=on guest.raw static.vdi',
  ),
  vdi('empty', ['dynamic', 'no-data'], 'qemu-img create -q -f vdi empty.vdi 64M'),
  vdi(
    'any-order',
    ['dynamic', 'blocks-out-of-order'],
    'qemu-img create -q -f vdi any-order.vdi 13M',
    "qemu-io -f vdi -c 'write -P 1 9M 4k' -c 'write -P 2 1023k 2k' -c 'write -P 3 13308k 4k' any-order.vdi",
  ),
];
