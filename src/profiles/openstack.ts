/** OpenStack Glance. */

import type { Profile } from './profile.ts';

const READ = { date: '2026-11', isDateOfReading: true } as const;

export const openstack: Profile = {
  name: 'openstack',
  title: 'OpenStack Glance',
  sources: {
    O1: {
      title: 'Glance as first-line defense for image format attacks',
      url: 'https://github.com/openstack/glance-specs/blob/master/specs/2025.1/approved/glance/glance-as-defender.rst',
      date: '2025',
    },
    O3: {
      title: 'Glance image-conversion check',
      url: 'https://github.com/stackhpc/glance/pull/34',
      ...READ,
    },
    O4: {
      title: 'PYSEC-2026-2493 / CVE-2024-32498',
      url: 'https://raw.githubusercontent.com/pypa/advisory-database/main/vulns/glance/PYSEC-2026-2493.yaml',
      date: '2026',
    },
    O7: {
      title: 'Checks of qcow2 and VMDK, vmdk_allowed_types',
      url: 'https://github.com/stackhpc/glance/pull/10',
      ...READ,
    },
  },
  rules: [
    {
      id: 'format.as-declared',
      severity: 'warning',
      requires: { kind: 'declared-format' },
      sources: ['O1'],
      note: 'Since 2025.1 the content must be what disk_format says.',
    },
    {
      id: 'qcow2.backing-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['backing'] },
      when: { formats: ['qcow2'] },
      sources: ['O7', 'O3'],
    },
    {
      id: 'qcow2.data-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['data-file'] },
      when: { formats: ['qcow2'] },
      sources: ['O3', 'O4'],
      cloudCode: 'CVE-2024-32498',
    },
    {
      id: 'vmdk.types',
      severity: 'error',
      requires: { kind: 'vmdk-types', types: ['streamOptimized', 'monolithicSparse'] },
      when: { formats: ['vmdk'] },
      sources: ['O7'],
      note: 'These are the defaults of vmdk_allowed_types.',
    },
  ],
  target: { format: 'qcow2', options: { compress: true }, why: 'every Glance takes it, and it is small' },
};
