import { guest, lines, type Recipe } from './recipe.ts';

export const rawRecipes: Recipe[] = [
  {
    file: 'raw/grub-rescue-floppy.img',
    format: 'raw',
    tools: ['grub-rescue-pc'],
    command: 'cp /usr/lib/grub-rescue/grub-rescue-floppy.img .',
    features: ['bootable', 'unpartitioned'],
    note: 'from Debian package grub-rescue-pc (GRUB 2, GPL-3.0-or-later; source: Debian source package grub2)',
  },
  {
    file: 'raw/odd-size.raw',
    format: 'raw',
    tools: [],
    command: lines(guest(1_048_699, 'raw-odd-size'), 'mv guest.raw odd-size.raw'),
    features: ['odd-size'],
    note: '1 MiB + 123 bytes; qemu-img rounds the disk up to a whole sector and reads zeros there',
  },
  {
    file: 'raw/empty.raw',
    format: 'raw',
    tools: ['qemu-img'],
    command: 'qemu-img create -q -f raw empty.raw 2M',
    features: ['empty'],
  },
  {
    file: 'raw/mbr-disk.raw',
    format: 'raw',
    tools: ['sfdisk', 'mkfs.vfat', 'mke2fs'],
    command: lines(
      'export TZ=UTC SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000',
      'truncate -s 8M mbr-disk.raw',
      'printf "label: dos\\nlabel-id: 0x0ddba11e\\nstart=2048,size=6144,type=c,bootable\\nstart=8192,size=8192,type=83\\n" | sfdisk -q mbr-disk.raw',
      'truncate -s 3M fat.raw && mkfs.vfat --invariant -i D15C0002 -n DATA fat.raw > mkfs.log',
      'printf "hello from FAT\\n" > hello.txt && touch -d @1700000000 hello.txt && mcopy -m -i fat.raw hello.txt ::/HELLO.TXT',
      'truncate -s 4M ext.raw && mke2fs -q -t ext2 -L data -U 0ddba11e-0000-4000-8000-000000000012 -E hash_seed=0ddba11e-0000-4000-8000-000000000013,root_owner=0:0 ext.raw',
      'dd if=fat.raw of=mbr-disk.raw bs=1M seek=1 conv=notrunc,sparse status=none',
      'dd if=ext.raw of=mbr-disk.raw bs=1M seek=4 conv=notrunc,sparse status=none',
    ),
    features: ['mbr', 'fat', 'ext2'],
  },
];
