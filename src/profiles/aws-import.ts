/** AWS VM Import/Export. */

import type { Profile } from './profile.ts';

const GiB = 1024 ** 3;

export const awsImport: Profile = {
  name: 'aws-import',
  title: 'AWS VM Import/Export',
  sources: {
    A1: {
      title: 'System requirements',
      url: 'https://docs.aws.amazon.com/vm-import/latest/userguide/prerequisites.html',
      date: '2026-11',
      isDateOfReading: true,
    },
    A2: {
      title: 'Limitations for resources being imported',
      url: 'https://docs.amazonaws.cn/en_us/vm-import/latest/userguide/limitations-image-importing.html',
      date: '2026-11',
      isDateOfReading: true,
    },
    A3: {
      title: 'ImportImage',
      url: 'https://docs.aws.amazon.com/goto/WebAPI/ec2/ImportImage',
      date: '2026-11',
      isDateOfReading: true,
    },
    A5: {
      title: 'Amazon EBS volume constraints',
      url: 'https://docs.amazonaws.cn/en_us/ebs/latest/userguide/volume_constraints.md',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: {
        kind: 'formats',
        formats: [
          'vmdk-streamOptimized',
          'vhd-fixed',
          'vhd-dynamic',
          'vhdx-fixed',
          'vhdx-dynamic',
          'raw',
          'ova',
        ],
      },
      sources: ['A1'],
    },
    {
      id: 'disk.encrypted',
      severity: 'error',
      requires: { kind: 'no-encrypted-volumes' },
      sources: ['A2'],
    },
    {
      id: 'disk.dual-boot',
      severity: 'error',
      requires: { kind: 'one-system' },
      when: { disk: 'system' },
      sources: ['A2'],
    },
    {
      id: 'boot.modes',
      severity: 'error',
      requires: { kind: 'boot-modes', modes: ['bios', 'uefi'] },
      when: { disk: 'system' },
      sources: ['A3'],
      note: 'AWS calls them legacy-bios and uefi.',
    },
    {
      id: 'arch',
      severity: 'error',
      requires: { kind: 'architectures', architectures: ['x86', 'ia32'] },
      when: { disk: 'system' },
      sources: ['A3'],
    },
    {
      id: 'virtual-size.mbr',
      severity: 'error',
      requires: { kind: 'virtual-size', max: 2048 * GiB },
      when: { table: 'mbr' },
      sources: ['A5'],
    },
    {
      id: 'virtual-size.gpt',
      severity: 'error',
      requires: { kind: 'virtual-size', max: 65536 * GiB },
      when: { table: 'gpt' },
      sources: ['A5'],
    },
  ],
  target: {
    format: 'vmdk',
    options: { compress: true },
    why: 'it is the smallest of what AWS takes',
  },
};
