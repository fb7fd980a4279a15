// Snapshots, flags, other files, encryption and damage.

import { MIB, made, pokeByte, qemuIo, refused, steadyDates } from './qcow2-shell.ts';
import { guest, type Recipe } from './recipe.ts';

export const snapshots: Recipe[] = [
  {
    ...made(
      'snapshots',
      ['v3', 'internal-snapshots', 'mixed'],
      guest(MIB + 512 * 7, 'qcow2-snapshots'),
      'qemu-img convert -f raw -O qcow2 -c -m 1 guest.raw snapshots.qcow2',
      'qemu-img snapshot -c first snapshots.qcow2',
      qemuIo('snapshots.qcow2', 'write -q -P 0x11 10k 100k', 'write -q -z 512k 64k'),
      'qemu-img snapshot -c second snapshots.qcow2',
      qemuIo('snapshots.qcow2', 'write -q -P 0x22 20k 10k', 'write -q -P 0x33 1000k 5k'),
      steadyDates('snapshots.qcow2'),
    ),
    note: 'the active state differs from both snapshots',
  },
  {
    ...made(
      'snapshots-v2',
      ['v2', 'internal-snapshots'],
      guest(MIB, 'qcow2-snapshots-v2'),
      'qemu-img convert -f raw -O qcow2 -o compat=0.10 guest.raw snapshots-v2.qcow2',
      'qemu-img snapshot -c first snapshots-v2.qcow2',
      qemuIo('snapshots-v2.qcow2', 'write -q -P 0x11 10k 100k'),
      'qemu-img snapshot -c second snapshots-v2.qcow2',
      qemuIo('snapshots-v2.qcow2', 'write -q -P 0x22 200k 10k'),
      steadyDates('snapshots-v2.qcow2'),
    ),
    note: 'the active state differs from both snapshots',
  },
  {
    ...made(
      'snapshots-resized',
      ['v3', 'internal-snapshots', 'resized'],
      'qemu-img create -q -f qcow2 snapshots-resized.qcow2 1M',
      qemuIo('snapshots-resized.qcow2', 'write -q -P 0x11 0 100k'),
      'qemu-img snapshot -c small snapshots-resized.qcow2',
      'qemu-img resize -q -f qcow2 snapshots-resized.qcow2 2M',
      qemuIo('snapshots-resized.qcow2', 'write -q -P 0x22 2000k 40k'),
      steadyDates('snapshots-resized.qcow2'),
    ),
    note: 'the snapshot is of a 1 MiB disk, the active state of a 2 MiB one',
  },
];

export const flagsAndExtensions: Recipe[] = [
  {
    ...made(
      'dirty',
      ['v3', 'dirty', 'lazy-refcounts'],
      'qemu-img create -q -f qcow2 -o lazy_refcounts=on dirty.qcow2 2M',
      'ulimit -c 0',
      `${qemuIo('dirty.qcow2', 'write -q -P 0x11 30k 100k', 'write -q -P 0x22 1M 5k', 'flush', 'abort')} 2> abort.log || true`,
      'qemu-img info -f qcow2 --output=json dirty.qcow2 | grep -q \'"dirty-flag": true\'',
    ),
    note: 'left open by a program that was killed: refcounts may be stale, the guest is whole',
  },
  made(
    'bitmap',
    ['v3', 'dirty-bitmap'],
    guest(MIB, 'qcow2-bitmap'),
    'qemu-img convert -f raw -O qcow2 guest.raw bitmap.qcow2',
    'qemu-img bitmap -f qcow2 --add bitmap.qcow2 backup',
    qemuIo('bitmap.qcow2', 'write -q -P 0x11 300k 20k'),
  ),
  refused(
    made(
      'corrupt-flag',
      ['v3', 'corrupt-flag', 'poked'],
      guest(MIB, 'qcow2-corrupt-flag'),
      'qemu-img convert -f raw -O qcow2 guest.raw corrupt-flag.qcow2',
      pokeByte('corrupt-flag.qcow2', 79, '002'),
    ),
    'incompatible bit 1; the guest is in fact whole, so a salvaging reader gets salvagedSha256',
    { digestFrom: 'corrupt-flag.qcow2' },
  ),
  refused(
    made(
      'unknown-incompatible',
      ['v3', 'unknown-incompatible-bit', 'poked'],
      'qemu-img create -q -f qcow2 unknown-incompatible.qcow2 1M',
      pokeByte('unknown-incompatible.qcow2', 78, '001'),
    ),
    'incompatible bit 8, which nothing defines',
  ),
  refused(
    made(
      'unknown-incompatible-high',
      ['v3', 'unknown-incompatible-bit', 'poked'],
      'qemu-img create -q -f qcow2 unknown-incompatible-high.qcow2 1M',
      pokeByte('unknown-incompatible-high.qcow2', 72, '200'),
    ),
    'incompatible bit 63: lost by readers that keep flags in 32 or 53 bits',
  ),
  {
    ...made(
      'unknown-compatible',
      ['v3', 'unknown-compatible-bit', 'poked'],
      guest(MIB, 'qcow2-unknown-compatible'),
      'qemu-img convert -f raw -O qcow2 -o cluster_size=4k guest.raw unknown-compatible.qcow2',
      pokeByte('unknown-compatible.qcow2', 86, '001'),
      pokeByte('unknown-compatible.qcow2', 94, '001'),
    ),
    note: 'compatible bit 8 and autoclear bit 8: a reader may ignore both',
  },
];

export const otherFiles: Recipe[] = [
  refused(
    made(
      'backing',
      ['v3', 'backing-file', 'zero-plain'],
      guest(MIB + 512, 'qcow2-backing'),
      'qemu-img convert -f raw -O qcow2 -c -m 1 guest.raw backing-base.qcow2',
      'qemu-img create -q -f qcow2 -b backing-base.qcow2 -F qcow2 backing.qcow2 1500160',
      qemuIo(
        'backing.qcow2',
        'write -q -P 0x11 100k 70k',
        'write -q -z 500k 70k',
        'write -q -P 0x22 1400k 3k',
      ),
    ),
    'the overlay is longer than its base, past whose end it reads zeros',
    { companions: ['backing-base.qcow2'] },
  ),
  refused(
    made(
      'backing-v2',
      ['v2', 'backing-file'],
      guest(MIB, 'qcow2-backing-v2'),
      'mv guest.raw backing-v2-base.raw',
      'qemu-img create -q -f qcow2 -o compat=0.10 -b backing-v2-base.raw -F raw backing-v2.qcow2',
      qemuIo('backing-v2.qcow2', 'write -q -P 0x11 100k 70k', 'write -q -z 500k 10k'),
    ),
    'version 2 has no zero clusters: zeros over a base are written out',
    { companions: ['backing-v2-base.raw'] },
  ),
  refused(
    made(
      'backing-extended-l2',
      ['v3', 'backing-file', 'extended-l2', 'subclusters-zero', 'subclusters-unallocated'],
      guest(MIB, 'qcow2-backing-extended-l2'),
      'mv guest.raw backing-extended-l2-base.raw',
      'qemu-img create -q -f qcow2 -o extended_l2=on -b backing-extended-l2-base.raw -F raw backing-extended-l2.qcow2',
      qemuIo(
        'backing-extended-l2.qcow2',
        'write -q -P 0x11 100k 3k',
        'write -q -z 130k 4k',
        'write -q -z -u 256k 64k',
      ),
    ),
    'some subclusters of one cluster come from the base, others are data or zero',
    { companions: ['backing-extended-l2-base.raw'] },
  ),
  refused(
    made(
      'backing-host-file',
      ['v3', 'backing-file', 'hostile'],
      'qemu-img create -q -f qcow2 -u -b /etc/passwd -F raw backing-host-file.qcow2 1M',
    ),
    'would put a file of the host into the output',
  ),
  refused(
    made(
      'backing-protocol',
      ['v3', 'backing-file', 'hostile'],
      'qemu-img create -q -f qcow2 -u -b nbd://192.0.2.1:10809/disk -F raw backing-protocol.qcow2 1M',
    ),
    'would connect to another machine',
  ),
  refused(
    made(
      'data-file',
      ['v3', 'external-data-file'],
      guest(MIB, 'qcow2-data-file'),
      'qemu-img create -q -f qcow2 -o data_file=data-file.bin data-file.qcow2 1M',
      'qemu-img convert -n -f raw -O qcow2 guest.raw data-file.qcow2',
      qemuIo('data-file.qcow2', 'write -q -z 512k 64k'),
    ),
    'guest data is in another file, at the same offsets',
    { companions: ['data-file.bin'] },
  ),
  refused(
    made(
      'data-file-raw',
      ['v3', 'external-data-file', 'data-file-raw'],
      guest(MIB, 'qcow2-data-file-raw'),
      'qemu-img create -q -f qcow2 -o data_file=data-file-raw.bin,data_file_raw=on data-file-raw.qcow2 1M',
      'qemu-img convert -n -f raw -O qcow2 guest.raw data-file-raw.qcow2',
    ),
    'the other file is a raw image of the disk by itself',
    { companions: ['data-file-raw.bin'] },
  ),
];

export const encryption: Recipe[] = [
  refused(
    made(
      'encrypted-luks',
      ['v3', 'encrypted', 'luks'],
      // A short key: the key slot holds 4000 random stripes of its length. A quick machine makes qemu-img fail
      // now and then with "Unable to get accurate CPU usage", so it gets several tries.
      'for try in $(seq 50); do rm -f encrypted-luks.qcow2',
      'qemu-img create -q -f qcow2 --object secret,id=key,data=secret -o encrypt.format=luks,encrypt.key-secret=key,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=plain64,encrypt.iter-time=10,cluster_size=4k encrypted-luks.qcow2 1M && break; done',
      "qemu-io --object secret,id=key,data=secret --image-opts -c 'write -q -P 0x11 0 8k' driver=qcow2,encrypt.format=luks,encrypt.key-secret=key,file.filename=encrypted-luks.qcow2",
    ),
    'passphrase: secret. Other key material each time, so it is made only when it is missing',
    { keep: true },
  ),
  refused(
    made(
      'encrypted-aes',
      ['v3', 'encrypted', 'aes'],
      'qemu-img create -q -f qcow2 --object secret,id=key,data=secret -o encrypt.format=aes,encrypt.key-secret=key encrypted-aes.qcow2 1M',
    ),
    'the legacy encryption: crypt method 1. qemu-img 7.2 creates it; passphrase: secret',
  ),
];

export const damaged: Recipe[] = [
  refused(
    made(
      'truncated',
      ['v3', 'truncated'],
      guest(2 * MIB, 'qcow2-truncated'),
      'qemu-img convert -f raw -O qcow2 guest.raw truncated.qcow2',
      'truncate -s 700000 truncated.qcow2',
    ),
    'half a download; qemu-img 7.2 reads zeros past the end and returns 0',
  ),
  refused(
    made(
      'truncated-compressed',
      ['v3', 'truncated', 'compressed', 'zlib'],
      guest(2 * MIB, 'qcow2-truncated-compressed'),
      'qemu-img convert -f raw -O qcow2 -c -m 1 -o cluster_size=4k guest.raw truncated-compressed.qcow2',
      'truncate -s $(($(stat -c %s truncated-compressed.qcow2) / 2)) truncated-compressed.qcow2',
    ),
    'half a download',
  ),
];
