#!/usr/bin/env bash
# Makes the first MiB of two physical volumes of 64 MiB with lvm2 itself: pv0.img.gz and pv1.img.gz. Everything else on them
# is data. Needs root and loop devices, but no device mapper. Made with lvm2 2.03.16-2 of Debian 12.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
truncate -s 64M "$folder/pv0.img" "$folder/pv1.img"
a=$(losetup -f --show "$folder/pv0.img")
b=$(losetup -f --show "$folder/pv1.img")
trap 'losetup -d "$a" "$b"; rm -r "$folder"' EXIT
run() { "$1" --config 'devices{use_devicesfile=0} backup{backup=0 archive=0}' --driverloaded n -qq "${@:2}"; }
run pvcreate "$a" "$b"
run vgcreate vg-0 "$a" "$b"
create() { run lvcreate -an -Zn -Wn -y "$@"; }
create -n root -L 40M vg-0 "$a"
run lvextend -l +6 vg-0/root "$b"
create -n swap -L 8M vg-0 "$a"
create -n wide -i 2 -L 8M vg-0
for pv in pv0 pv1; do head -c 1M "$folder/$pv.img" | gzip -9n >"$pv.img.gz"; done
