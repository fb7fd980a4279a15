/** Alibaba Cloud ECS. */

import type { Profile } from './profile.ts';

const GiB = 1024 ** 3;

export const alibaba: Profile = {
  name: 'alibaba',
  title: 'Alibaba Cloud ECS',
  sources: {
    L1: {
      title: 'Import a custom image',
      url: 'https://www.alibabacloud.com/help/en/ecs/user-guide/import-a-custom-image',
      date: '2025-11-07',
    },
    L2: {
      title: 'Instructions for importing images (Japanese)',
      url: 'https://www.alibabacloud.com/help/ja/ecs/user-guide/instructions-for-importing-images',
      date: '2026-11',
      isDateOfReading: true,
    },
    L3: {
      title: 'ImportImage',
      url: 'https://www.alibabacloud.com/help/doc-detail/25542.htm',
      date: '2026-11',
      isDateOfReading: true,
    },
    L4: {
      title: 'Instance boot mode',
      url: 'https://help.aliyun.com/en/ecs/user-guide/instance-startup-mode',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: { kind: 'formats', formats: ['qcow2', 'vhd', 'raw', 'vmdk'] },
      sources: ['L1'],
    },
    {
      id: 'image.in-one-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['backing', 'data-file', 'extents'] },
      sources: ['L3'],
      note: 'The import names one object for a disk, and no other that belongs to it.',
    },
    {
      id: 'image.encrypted',
      severity: 'error',
      requires: { kind: 'no-encrypted-image' },
      sources: ['L3'],
      note: 'The import has no field for a passphrase.',
    },
    {
      id: 'virtual-size.windows',
      severity: 'warning',
      requires: { kind: 'virtual-size', min: 40 * GiB, max: 500 * GiB },
      when: { disk: 'system', os: 'windows' },
      sources: ['L2'],
      note: 'The page is an older one.',
    },
    {
      id: 'windows.partition-table',
      severity: 'warning',
      requires: { kind: 'partition-table', tables: ['mbr'] },
      when: { disk: 'system', os: 'windows' },
      sources: ['L2'],
      note: 'The page is an older one.',
    },
    {
      id: 'linux.virtio',
      severity: 'warning',
      requires: { kind: 'virtio-drivers', drivers: ['virtio_blk', 'virtio_net', 'virtio_pci'] },
      when: { disk: 'system', os: 'linux' },
      sources: ['L3'],
    },
    {
      id: 'boot.modes',
      severity: 'error',
      requires: { kind: 'boot-modes', modes: ['bios', 'uefi'] },
      when: { disk: 'system' },
      sources: ['L4'],
      note: 'The image and the type of the instance must agree.',
    },
  ],
  target: {
    format: 'qcow2',
    options: { compress: true },
    why: 'it is the smallest of what Alibaba Cloud takes',
  },
};
