/** DigitalOcean custom images. */

import type { Profile } from './profile.ts';

const READ = { date: '2026-11', isDateOfReading: true } as const;

export const digitalocean: Profile = {
  name: 'digitalocean',
  title: 'DigitalOcean custom images',
  sources: {
    D1: {
      title: 'pydo.images.create_custom()',
      url: 'https://docs.digitalocean.com/reference/pydo/reference/images/create_custom',
      ...READ,
    },
    D2: {
      title: 'digitalocean_custom_image',
      url: 'https://docs.digitalocean.com/reference/terraform/reference/resources/custom_image/',
      ...READ,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: {
        kind: 'formats',
        formats: ['qcow2', 'raw', 'vhdx', 'vdi', 'vmdk'],
        wrappers: ['gzip', 'bzip2'],
      },
      sources: ['D1', 'D2'],
    },
    {
      id: 'image.in-one-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['backing', 'data-file', 'extents'] },
      sources: ['D1'],
      note: 'The import names one address, and no other file that belongs to it.',
    },
    {
      id: 'image.encrypted',
      severity: 'error',
      requires: { kind: 'no-encrypted-image' },
      sources: ['D1'],
      note: 'The import has no field for a passphrase.',
    },
    {
      id: 'file-size.max',
      severity: 'error',
      requires: { kind: 'file-size', max: 100 * 1024 ** 3 - 1 },
      sources: ['D1'],
      note: 'It counts after decompression, and must be below 100 GB.',
    },
    {
      id: 'file-size.decimal',
      severity: 'warning',
      requires: { kind: 'file-size', max: 100 * 1000 ** 3 - 1 },
      sources: ['D1'],
      note: 'The page does not say whether its 100 GB are 10^9 or 2^30 bytes each.',
    },
    {
      id: 'raw.partition-table',
      severity: 'error',
      requires: { kind: 'partition-table', tables: ['mbr', 'gpt'] },
      when: { formats: ['raw'] },
      sources: ['D2'],
    },
    {
      id: 'os.linux',
      severity: 'error',
      requires: { kind: 'os-family', family: 'linux' },
      sources: ['D1'],
    },
  ],
  target: {
    format: 'qcow2',
    options: { compress: true },
    why: 'it is the smallest of what DigitalOcean takes',
  },
};
