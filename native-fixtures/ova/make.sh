#!/usr/bin/env bash
# Makes two-disks.ova, an OVA as exporters make them: a descriptor, a manifest, a streamOptimized VMDK and a qcow2, in a
# ustar archive; and digests.txt, SHA-256 of what qemu-img reads from each disk, in sha256sum's form.
#
#   native-fixtures/ova/make.sh
#
# Needs (Debian): qemu-utils tar coreutils gzip. The content IDs of qemu-img differ on every run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

node "$here/../guest-content.ts" 400000 ova-system > system.raw
node "$here/../guest-content.ts" 196608 ova-data > data.raw
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized system.raw machine-disk1.vmdk
qemu-img convert -f raw -O qcow2 -c data.raw machine-disk2.qcow2
for disk in machine-disk1.vmdk machine-disk2.qcow2; do
  qemu-img convert -O raw "$disk" guest.raw
  echo "$(sha256sum < guest.raw | cut -d' ' -f1)  $disk"
done > "$here/digests.txt"

cat > machine.ovf <<XML
<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>
    <File ovf:id="file1" ovf:href="machine-disk1.vmdk" ovf:size="$(stat -c %s machine-disk1.vmdk)"/>
    <File ovf:id="file2" ovf:href="machine-disk2.qcow2" ovf:size="$(stat -c %s machine-disk2.qcow2)"/>
  </References>
  <DiskSection>
    <Info>The disks of the machine</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="782" ovf:capacityAllocationUnits="byte * 2^9"/>
    <Disk ovf:diskId="vmdisk2" ovf:fileRef="file2" ovf:capacity="192" ovf:capacityAllocationUnits="byte * 2^10"/>
  </DiskSection>
</Envelope>
XML
for file in machine.ovf machine-disk1.vmdk machine-disk2.qcow2; do
  echo "SHA256($file)= $(sha256sum < "$file" | cut -d' ' -f1)"
done > machine.mf
tar --format=ustar --owner=0 --group=0 --mtime=@0 -cf two-disks.ova machine.ovf machine.mf machine-disk1.vmdk machine-disk2.qcow2
gzip -9nc two-disks.ova > "$here/two-disks.ova.gz"
