import { guest, lines, type Recipe } from './recipe.ts';

/** qemu-img gives every image random GUIDs: they are made once. */
const vhdx = (name: string, features: string[], ...command: string[]): Recipe => ({
  file: `vhdx/${name}.vhdx`,
  format: 'vhdx',
  tools: ['qemu-img', 'qemu-io'],
  command: lines(...command),
  features,
  keep: true,
});

export const vhdxRecipes: Recipe[] = [
  vhdx(
    'dynamic',
    ['dynamic', 'partial-last-block', 'block-1m'],
    guest(2_500_096, 'vhdx-dynamic'),
    'qemu-img convert -f raw -O vhdx -o block_size=1M guest.raw dynamic.vhdx',
  ),
  vhdx(
    'fixed',
    ['fixed', 'block-1m'],
    guest(1_049_088, 'vhdx-fixed'),
    'qemu-img convert -f raw -O vhdx -o subformat=fixed,block_size=1M guest.raw fixed.vhdx',
  ),
  vhdx('empty', ['dynamic', 'no-data', 'block-8m'], 'qemu-img create -q -f vhdx empty.vhdx 64M'),
  vhdx(
    'any-order',
    ['dynamic', 'blocks-out-of-order', 'block-1m'],
    'qemu-img create -q -f vhdx -o block_size=1M any-order.vhdx 13M',
    // Block 0 first: before 8.1 QEMU moves the entries behind it when it comes later.
    "qemu-io -f vhdx -c 'write -P 1 0 2k' -c 'write -P 2 9M 4k' -c 'write -P 3 4M 64k' any-order.vhdx",
  ),
];
