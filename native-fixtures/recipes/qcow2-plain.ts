// Versions, sizes, compression and kinds of clusters.

import { compressed, converted, MIB, made, qemuIo } from './qcow2-shell.ts';
import { guest, type Recipe } from './recipe.ts';

export const versions: Recipe[] = [
  converted('v2', 2 * MIB + 512 * 7, '-o compat=0.10', ['v2']),
  converted('v3', 2 * MIB + 512 * 7, '', ['v3']),
  made('v2-empty', ['v2', 'empty'], 'qemu-img create -q -f qcow2 -o compat=0.10 v2-empty.qcow2 4M'),
  made('v3-empty', ['v3', 'empty'], 'qemu-img create -q -f qcow2 v3-empty.qcow2 4M'),
  made(
    'partial-last-cluster',
    ['v3', 'partial-last-cluster'],
    guest(MIB + 512 * 3, 'qcow2-partial-last-cluster', { at: MIB, length: 512 * 3 }),
    'qemu-img convert -f raw -O qcow2 guest.raw partial-last-cluster.qcow2',
  ),
];

export const sizes: Recipe[] = [
  converted('cluster-512', MIB + 512, '-o cluster_size=512', [
    'v3',
    'cluster-size-512',
    'l1-of-several-clusters',
  ]),
  converted('cluster-4k', 2 * MIB + 512 * 5, '-o cluster_size=4k', ['v3', 'cluster-size-4k']),
  converted('cluster-2m', 3 * MIB + 512 * 3, '-o cluster_size=2M', [
    'v3',
    'cluster-size-2m',
    'partial-last-cluster',
  ]),
  converted('refcount-1', 2 * MIB, '-o refcount_bits=1', ['v3', 'refcount-bits-1']),
  converted('refcount-8', 2 * MIB, '-o refcount_bits=8', ['v3', 'refcount-bits-8']),
  converted('refcount-64', 2 * MIB, '-o refcount_bits=64', ['v3', 'refcount-bits-64']),
  made(
    'large-l1',
    ['v3', 'cluster-size-512', 'l1-of-several-clusters', 'sparse'],
    'qemu-img create -q -f qcow2 -o cluster_size=512 large-l1.qcow2 256M',
    qemuIo(
      'large-l1.qcow2',
      'write -q -P 0x11 0 3k',
      'write -q -P 0x22 99999k 5k',
      'write -q -P 0x33 262143k 1k',
    ),
  ),
  made(
    'resized',
    ['v3', 'resized'],
    guest(MIB + 512, 'qcow2-resized'),
    'qemu-img convert -f raw -O qcow2 -o cluster_size=4k guest.raw resized.qcow2',
    'qemu-img resize -q -f qcow2 resized.qcow2 5M',
    qemuIo('resized.qcow2', 'write -q -P 0x44 4M 10k'),
    'qemu-img resize -q -f qcow2 --shrink resized.qcow2 4300800',
  ),
  {
    ...made(
      'huge',
      ['v3', 'huge', 'sparse'],
      'qemu-img create -q -f qcow2 huge.qcow2 1T',
      qemuIo(
        'huge.qcow2',
        'write -q -P 0x11 0 64k',
        'write -q -P 0x22 549755813888 100k',
        'write -q -P 0x33 1099511623680 4k',
      ),
    ),
    dataRanges: [
      { guestOffset: 0, length: 131_072 },
      { guestOffset: 549_755_813_888 - 65_536, length: 262_144 },
      { guestOffset: 1_099_511_627_776 - 131_072, length: 131_072 },
    ],
    note: 'everything outside the three data ranges is zero',
  },
];

export const compression: Recipe[] = [
  compressed('zlib', 2 * MIB + 512 * 7, { at: MIB, length: 65_536 }, '', ['v3', 'zlib', 'mixed']),
  compressed('zlib-v2', 2 * MIB + 512 * 7, { at: MIB, length: 0 }, '-o compat=0.10', ['v2', 'zlib']),
  compressed('zlib-cluster-512', MIB / 2 + 512, { at: 65_536, length: 3_072 }, '-o cluster_size=512', [
    'v3',
    'zlib',
    'cluster-size-512',
    'mixed',
  ]),
  compressed('zlib-cluster-4k', MIB + 512 * 3, { at: 65_536, length: 8_192 }, '-o cluster_size=4k', [
    'v3',
    'zlib',
    'cluster-size-4k',
    'mixed',
  ]),
  compressed('zlib-cluster-2m', 5 * MIB + 512 * 3, { at: 0, length: 0 }, '-o cluster_size=2M', [
    'v3',
    'zlib',
    'cluster-size-2m',
  ]),
  compressed('zstd', 2 * MIB + 512 * 7, { at: MIB, length: 65_536 }, '-o compression_type=zstd', [
    'v3',
    'zstd',
    'mixed',
  ]),
  compressed(
    'zstd-cluster-512',
    MIB / 2 + 512,
    { at: 65_536, length: 3_072 },
    '-o compression_type=zstd,cluster_size=512',
    ['v3', 'zstd', 'cluster-size-512', 'mixed'],
  ),
  compressed(
    'zstd-cluster-2m',
    5 * MIB + 512 * 3,
    { at: 0, length: 0 },
    '-o compression_type=zstd,cluster_size=2M',
    ['v3', 'zstd', 'cluster-size-2m'],
  ),
];

export const clusterKinds: Recipe[] = [
  made(
    'mixed',
    ['v3', 'compressed', 'zlib', 'mixed', 'zero-plain', 'zero-alloc', 'unallocated'],
    guest(2 * MIB + 512 * 7, 'qcow2-mixed'),
    'qemu-img convert -f raw -O qcow2 -c -m 1 guest.raw mixed.qcow2',
    qemuIo(
      'mixed.qcow2',
      'write -q -P 0x5a 100k 150k',
      'write -q -P 0x6b 640k 128k',
      'write -q -z 704k 64k',
      'write -q -z -u 128k 64k',
      'write -q -z 1024k 10k',
      'write -q -P 0x7c 1999k 3k',
    ),
    'qemu-img resize -q -f qcow2 mixed.qcow2 3M',
  ),
  made(
    'mixed-cluster-4k',
    ['v3', 'compressed', 'zlib', 'cluster-size-4k', 'mixed', 'zero-plain', 'zero-alloc', 'unallocated'],
    guest(MIB, 'qcow2-mixed-cluster-4k'),
    'qemu-img convert -f raw -O qcow2 -c -m 1 -o cluster_size=4k guest.raw mixed-cluster-4k.qcow2',
    qemuIo(
      'mixed-cluster-4k.qcow2',
      'write -q -P 0x5a 99k 31k',
      'write -q -z 104k 8k',
      'write -q -z -u 116k 8k',
      'discard -q 300k 40k',
      'write -q -P 0x6b 512 512',
    ),
  ),
  made(
    'extended-l2',
    ['v3', 'extended-l2', 'subclusters-zero', 'subclusters-unallocated'],
    'qemu-img create -q -f qcow2 -o extended_l2=on extended-l2.qcow2 1312256',
    qemuIo(
      'extended-l2.qcow2',
      'write -q -P 0x11 0 2k',
      'write -q -P 0x22 6k 4k',
      'write -q -z 8k 2k',
      'write -q -P 0x33 62k 2k',
      'write -q -P 0x44 130k 64k',
      'write -q -z 140k 20k',
      'write -q -P 0x55 320k 64k',
      'write -q -z 320k 64k',
      'write -q -z -u 400k 8k',
      'write -q -z 450k 100k',
      'write -q -P 0x66 1023k 3k',
      'write -q -P 0x77 1312000 256',
    ),
  ),
  made(
    'extended-l2-compressed',
    ['v3', 'extended-l2', 'compressed', 'zlib', 'mixed'],
    guest(MIB + 512 * 3, 'qcow2-extended-l2-compressed'),
    'qemu-img convert -f raw -O qcow2 -c -m 1 -o extended_l2=on guest.raw extended-l2-compressed.qcow2',
    qemuIo(
      'extended-l2-compressed.qcow2',
      'write -q -P 0x11 70k 3k',
      'write -q -z 130k 4k',
      'write -q -z -u 256k 64k',
    ),
  ),
  made(
    'extended-l2-cluster-16k',
    ['v3', 'extended-l2', 'cluster-size-16k', 'subclusters-zero', 'subclusters-unallocated'],
    guest(MIB + 512 * 3, 'qcow2-extended-l2-cluster-16k'),
    'qemu-img convert -f raw -O qcow2 -o extended_l2=on,cluster_size=16k guest.raw extended-l2-cluster-16k.qcow2',
    qemuIo(
      'extended-l2-cluster-16k.qcow2',
      'write -q -z 512 512',
      'write -q -P 0x22 17k 512',
      'write -q -z 100k 9k',
    ),
  ),
  made(
    'prealloc-metadata',
    ['v3', 'preallocation-metadata'],
    'qemu-img create -q -f qcow2 -o preallocation=metadata prealloc-metadata.qcow2 3147264',
    qemuIo('prealloc-metadata.qcow2', 'write -q -P 0x11 100k 30k', 'write -q -P 0x22 3M 512'),
  ),
  made(
    'prealloc-falloc',
    ['v3', 'preallocation-falloc'],
    'qemu-img create -q -f qcow2 -o preallocation=falloc prealloc-falloc.qcow2 3147264',
    qemuIo('prealloc-falloc.qcow2', 'write -q -P 0x11 100k 30k', 'write -q -P 0x22 3M 512'),
  ),
];
