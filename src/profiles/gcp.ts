/** Google Compute Engine, images from a raw disk. */

import type { Profile } from './profile.ts';

const GiB = 1024 ** 3;

export const gcp: Profile = {
  name: 'gcp',
  title: 'Google Compute Engine',
  sources: {
    G1: {
      title: 'Image Management Best Practices',
      url: 'https://cloud.google.com/solutions/image-management-best-practices',
      date: '2026-11',
      isDateOfReading: true,
    },
    G2: {
      title: 'gcloud compute images create',
      url: 'https://docs.cloud.google.com/sdk/gcloud/reference/compute/images/create',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'archive',
      severity: 'error',
      requires: { kind: 'archive', member: 'disk.raw', wrapper: 'gzip' },
      sources: ['G1', 'G2'],
    },
    {
      id: 'formats',
      severity: 'error',
      requires: { kind: 'formats', formats: ['raw'], wrappers: ['gzip'] },
      sources: ['G1', 'G2'],
    },
    {
      id: 'disk.partition-table',
      severity: 'error',
      requires: { kind: 'partition-table', tables: ['mbr', 'gpt'] },
      when: { disk: 'system' },
      sources: ['G1'],
    },
  ],
  target: {
    format: 'raw',
    sizeUnit: GiB,
    archiveMember: 'disk.raw',
    why: 'Compute Engine takes a disk.raw in a tar.gz; a size of whole GiB is on the safe side',
  },
};
