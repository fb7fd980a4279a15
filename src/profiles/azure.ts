/** Microsoft Azure, managed disks. */

import type { Profile } from './profile.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

export const azure: Profile = {
  name: 'azure',
  title: 'Microsoft Azure',
  sources: {
    Z1: {
      title: 'Prepare Linux for imaging',
      url: 'https://github.com/MicrosoftDocs/azure-compute-docs/blob/main/articles/virtual-machines/linux/create-upload-generic.md',
      date: '2022-12-14',
    },
    Z2: {
      title: 'Prepare a Windows VHD or VHDX to upload to Azure',
      url: 'https://github.com/MicrosoftDocs/azure-compute-docs/blob/main/articles/virtual-machines/windows/prepare-for-upload-vhd-image.md',
      date: '2022-08-04',
    },
    Z3: {
      title: 'DiskCreationData.UploadSizeBytes Property',
      url: 'https://learn.microsoft.com/ja-jp/dotnet/api/azure.resourcemanager.compute.models.diskcreationdata.uploadsizebytes?view=azure-dotnet',
      date: '2026-11',
      isDateOfReading: true,
    },
    Z4: {
      title: 'Add-AzVhd',
      url: 'https://learn.microsoft.com/powershell/module/az.compute/add-azvhd',
      date: '2026-11',
      isDateOfReading: true,
    },
  },
  rules: [
    {
      id: 'formats',
      severity: 'error',
      requires: { kind: 'formats', formats: ['vhd-fixed'] },
      sources: ['Z1', 'Z2'],
    },
    {
      id: 'virtual-size.multiple',
      severity: 'error',
      requires: { kind: 'virtual-size', multipleOf: MiB },
      sources: ['Z1'],
    },
    {
      id: 'vhd.size',
      severity: 'warning',
      requires: { kind: 'vhd-size' },
      when: { formats: ['vhd'] },
      sources: ['Z1'],
      note: 'qemu-img makes such sizes unless it is given force_size.',
    },
    {
      id: 'file-size.over-disk',
      severity: 'error',
      requires: { kind: 'file-size-over-disk', bytes: 512 },
      when: { formats: ['vhd-fixed'] },
      sources: ['Z4'],
    },
    {
      id: 'file-size.upload',
      severity: 'error',
      requires: { kind: 'file-size', min: 20_972_032, max: 35_183_298_347_520 },
      when: { formats: ['vhd-fixed'] },
      sources: ['Z3'],
    },
    {
      id: 'virtual-size.generation-1',
      severity: 'error',
      requires: { kind: 'virtual-size', max: 2048 * GiB },
      when: { disk: 'system', boot: 'bios' },
      sources: ['Z2'],
    },
    {
      id: 'virtual-size.linux',
      severity: 'warning',
      requires: { kind: 'virtual-size', max: 1023 * GiB },
      when: { disk: 'system', os: 'linux' },
      sources: ['Z1'],
    },
    {
      id: 'boot.generations',
      severity: 'error',
      requires: { kind: 'boot-modes', modes: ['bios', 'uefi'] },
      when: { disk: 'system' },
      sources: ['Z1', 'Z2'],
      note: 'BIOS is generation 1, UEFI generation 2; it cannot be changed later.',
    },
    {
      id: 'linux.root-on-lvm',
      severity: 'warning',
      requires: { kind: 'no-lvm-root' },
      when: { disk: 'system', os: 'linux' },
      sources: ['Z1'],
    },
  ],
  target: {
    format: 'vhd',
    options: { subformat: 'fixed' },
    sizeUnit: MiB,
    why: 'Azure takes fixed VHDs of whole MiB only',
  },
};
