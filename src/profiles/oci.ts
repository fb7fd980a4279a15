/** Oracle Cloud Infrastructure. */

import type { Profile } from './profile.ts';

const GiB = 1024 ** 3;

export const oci: Profile = {
  name: 'oci',
  title: 'Oracle Cloud Infrastructure',
  sources: {
    C1: {
      title: 'Bring Your Own Image (BYOI)',
      url: 'https://docs.oracle.com/pls/topic/lookup?ctx=en%2Fsolutions%2Fopc-import-workloads&id=byoi-intro',
      date: '2026-11',
      isDateOfReading: true,
    },
    C2: {
      title: 'BYOI, Private Cloud Appliance 3.0',
      url: 'https://docs.oracle.com/en/engineered-systems/private-cloud-appliance/3.0-latest/concept/concept-byoi.html',
      date: '2026-11',
      isDateOfReading: true,
    },
    C3: {
      title: 'Importando e Exportando Imagens Personalizadas',
      url: 'https://docs.oracle.com/pt-br/iaas/Content/Compute/Tasks/imageimportexport.htm',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: { kind: 'formats', formats: ['vmdk', 'qcow2', 'oci'] },
      sources: ['C3'],
    },
    {
      id: 'image.in-one-file',
      severity: 'error',
      requires: { kind: 'outside-files', refused: ['backing', 'data-file', 'extents'] },
      sources: ['C2'],
      note: 'A single file is asked for; the page is that of the Private Cloud Appliance.',
    },
    {
      id: 'image.snapshots',
      severity: 'warning',
      requires: { kind: 'internal-snapshots' },
      sources: ['C2'],
      note: 'The page asks for a clone, not for a snapshot, and is that of the Private Cloud Appliance.',
    },
    {
      id: 'file-size.max',
      severity: 'error',
      requires: { kind: 'file-size', max: 400 * GiB },
      sources: ['C1', 'C2'],
    },
    {
      id: 'vmdk.types',
      severity: 'warning',
      requires: { kind: 'vmdk-types', types: ['streamOptimized', 'monolithicSparse'] },
      when: { formats: ['vmdk'] },
      sources: ['C2'],
      note: 'The page is that of the Private Cloud Appliance.',
    },
    {
      id: 'disk.encrypted',
      severity: 'warning',
      requires: { kind: 'no-encrypted-volumes' },
      sources: ['C2'],
      note: 'The page is that of the Private Cloud Appliance.',
    },
    {
      id: 'linux.root-uuid',
      severity: 'warning',
      requires: { kind: 'root-by-uuid' },
      when: { disk: 'system', os: 'linux' },
      sources: ['C2'],
      note: 'The page is that of the Private Cloud Appliance.',
    },
  ],
  target: {
    format: 'qcow2',
    options: { compress: true },
    why: 'Oracle takes qcow2 and VMDK; qcow2 is the more exact',
  },
};
