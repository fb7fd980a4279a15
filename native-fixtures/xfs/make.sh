#!/usr/bin/env bash
# Makes fragmented.img.gz: an xfs of 32 MiB, written by Linux itself, with files whose extents fill trees, with holes, and
# with blocks that were never written. Needs root, loop devices and xfs in the kernel. Made with xfsprogs 6.1.0 of Debian 12.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
image=$folder/fragmented.img
truncate -s 32M "$image"
mkfs.xfs -q --unsupported -m uuid=7f0b1c3a-7b0e-4f55-9d9a-000000000001 "$image"
mkdir "$folder/disk"
mount -o loop "$image" "$folder/disk"
trap 'umount "$folder/disk" 2>/dev/null || true; rm -r "$folder"' EXIT
cd "$folder/disk"
mkdir etc
echo 'ID=fragmented' >etc/os-release
# Too long for an inode.
ln -s "$(printf 'etc/../%.0s' $(seq 1 130))etc/os-release" long
# Block 2 × i of the file says i; odd ones are holes.
for i in $(seq 0 499); do printf '%04d' "$i" | dd of=holes bs=8192 seek="$i" conv=notrunc status=none; done
truncate -s 5000000 holes
# The first half of what is reserved is written.
fallocate -l 65536 reserved
printf 'written' | dd of=reserved conv=notrunc status=none
cp --reflink=always holes shared
printf 'SHARED' | dd of=shared bs=1 seek=16384 conv=notrunc status=none
sync
cd - >/dev/null
umount "$folder/disk"
gzip -9n <"$image" >fragmented.img.gz
