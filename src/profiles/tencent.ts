/** Tencent Cloud CVM. */

import type { Profile } from './profile.ts';

const GiB = 1024 ** 3;

export const tencent: Profile = {
  name: 'tencent',
  title: 'Tencent Cloud CVM',
  sources: {
    Q1: {
      title: '导入镜像概述',
      url: 'https://github.com/tencentyun/qcloud-documents',
      date: '2026-11',
      isDateOfReading: true,
    },
    Q2: {
      title: 'ImportImage',
      url: 'https://cloud.tencent.com/document/api/213/15717',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: { kind: 'formats', formats: ['qcow2', 'vhd', 'raw', 'vmdk'] },
      sources: ['Q2', 'Q1'],
      cloudCode: 'InvalidFormatSize',
    },
    {
      id: 'image.in-one-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['backing', 'data-file', 'extents'] },
      sources: ['Q2'],
      note: 'The import names one object, and no other that belongs to it.',
    },
    {
      id: 'image.encrypted',
      severity: 'error',
      requires: { kind: 'no-encrypted-image' },
      sources: ['Q2'],
      note: 'The import has no field for a passphrase.',
    },
    {
      id: 'file-size.qcow2',
      severity: 'error',
      requires: { kind: 'file-size', max: 50 * GiB },
      when: { formats: ['qcow2'] },
      sources: ['Q1'],
      cloudCode: 'InvalidFormatSize',
      note: 'It is judged after a conversion to qcow2.',
    },
    {
      id: 'virtual-size.max',
      severity: 'error',
      requires: { kind: 'virtual-size', max: 500 * GiB },
      sources: ['Q1'],
      cloudCode: 'InvalidFormatSize',
    },
    {
      id: 'disk.partition-table',
      severity: 'warning',
      requires: { kind: 'partition-table', tables: ['mbr'] },
      when: { disk: 'system' },
      sources: ['Q1'],
      note: 'The page refuses GPT, and may be older than the support for machines that need it.',
    },
    {
      id: 'disk.root',
      severity: 'error',
      requires: { kind: 'root-filesystem' },
      when: { disk: 'system' },
      sources: ['Q1'],
      cloudCode: 'RootPartitionNotFound',
    },
    {
      id: 'linux.virtio',
      severity: 'error',
      requires: { kind: 'virtio-drivers', drivers: ['virtio_blk', 'virtio_net', 'virtio_pci'] },
      when: { disk: 'system', os: 'linux' },
      sources: ['Q1'],
      cloudCode: 'VirtioNotInstall',
    },
    {
      id: 'linux.cloud-init',
      severity: 'error',
      requires: { kind: 'cloud-init' },
      when: { disk: 'system', os: 'linux' },
      sources: ['Q1'],
      cloudCode: 'CloudInitNotInstalled',
      note: 'Unless the import is forced.',
    },
    {
      id: 'arch',
      severity: 'error',
      requires: { kind: 'architectures', architectures: ['x86', 'ia32', 'arm'] },
      when: { disk: 'system' },
      sources: ['Q2'],
    },
  ],
  target: { format: 'qcow2', options: { compress: true }, why: 'Tencent Cloud judges sizes as qcow2' },
};
