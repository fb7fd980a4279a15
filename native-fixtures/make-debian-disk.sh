#!/bin/sh
# Makes a small GPT disk the way a distribution's image looks: a BIOS boot partition, an EFI system
# partition (FAT) and an ext4 root filesystem with files of Debian's base-files package.
#
#   sh make-debian-disk.sh <target.qcow2>     run in an empty folder
set -eu
export TZ=UTC LC_ALL=C SOURCE_DATE_EPOCH=1700000000 E2FSPROGS_FAKE_TIME=1700000000
export MTOOLS_SKIP_CHECK=1
umask 022

# The tree of the root filesystem.
mkdir -p root/boot/grub root/etc root/usr/lib root/usr/share/doc root/var/log root/home root/boot/efi
cp /usr/lib/os-release root/usr/lib/os-release
ln -s ../usr/lib/os-release root/etc/os-release
cp /etc/debian_version root/etc/debian_version
cp -r /usr/share/common-licenses root/usr/share/common-licenses
cp -r /usr/share/base-files root/usr/share/base-files
cp -r /usr/share/doc/base-files root/usr/share/doc/base-files
echo debian > root/etc/hostname
cat > root/etc/fstab <<'END'
UUID=0ddba11e-0000-4000-8000-000000000002 /         ext4 errors=remount-ro 0 1
UUID=D15C-0001                            /boot/efi vfat umask=0077        0 1
END
cat > root/boot/grub/grub.cfg <<'END'
set timeout=1
menuentry 'Debian GNU/Linux' {
  search --no-floppy --fs-uuid --set=root 0ddba11e-0000-4000-8000-000000000002
  linux /boot/vmlinuz root=UUID=0ddba11e-0000-4000-8000-000000000002 ro quiet
}
END
# A stand-in for a kernel: the setup header's magic is there, the rest counts up.
{ head -c 514 /dev/zero; printf HdrS; seq 1 20000; } > root/boot/vmlinuz
# A file with a hole in it.
truncate -s 1M root/var/log/lastlog
printf 'last entry\n' >> root/var/log/lastlog
find root -exec touch -h -d @$SOURCE_DATE_EPOCH {} +

# Partitions: 1 BIOS boot (1 MiB), 2 EFI system (8 MiB), 3 root (the rest).
truncate -s 64M disk.raw
sfdisk --quiet disk.raw <<'END'
label: gpt
label-id: 0DDBA11E-0000-4000-8000-000000000000
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=0DDBA11E-0000-4000-8000-00000000000A, name="BIOS boot"
start=4096, size=16384, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=0DDBA11E-0000-4000-8000-00000000000B, name="EFI system"
start=20480, size=108544, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=0DDBA11E-0000-4000-8000-00000000000C, name="root"
END

# The EFI system partition.
truncate -s 8M esp.raw
mkfs.vfat --invariant -i D15C0001 -n EFI esp.raw > mkfs.log
mmd -i esp.raw ::/EFI ::/EFI/debian
mcopy -m -i esp.raw root/boot/grub/grub.cfg ::/EFI/debian/grub.cfg
fsck.vfat -n esp.raw > fsck.log

# The root filesystem.
truncate -s 53M root.raw
mke2fs -q -t ext4 -L root -U 0ddba11e-0000-4000-8000-000000000002 \
  -E hash_seed=0ddba11e-0000-4000-8000-000000000003,lazy_itable_init=0,root_owner=0:0 \
  -d root root.raw
# mke2fs takes access and change times from the machine's filesystem: they cannot be set there, so here.
find root | sed 's/^root/\//; s,^//,/,' | while read -r path; do
  for field in atime ctime crtime mtime; do
    echo "set_inode_field \"$path\" $field @$SOURCE_DATE_EPOCH"
    echo "set_inode_field \"$path\" ${field}_extra 0"
  done
done > times.debugfs
debugfs -w -f times.debugfs root.raw > debugfs.log 2>&1
e2fsck -fn root.raw > e2fsck.log 2>&1

dd if=esp.raw of=disk.raw bs=1M seek=2 conv=notrunc,sparse status=none
dd if=root.raw of=disk.raw bs=1M seek=10 conv=notrunc,sparse status=none
sgdisk --verify disk.raw > sgdisk.log
qemu-img convert -f raw -O qcow2 -c -m 1 disk.raw "$1"
qemu-img check -q -f qcow2 "$1"
