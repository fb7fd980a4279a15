/** Rules that count for every cloud: what was said of an image must be what stands on its disk. */

import type { Rule, Source } from './profile.ts';

const UEFI: Source = {
  title: 'UEFI Specification 2.10, 3.5.1.1 Removable Media Boot Behavior',
  url: 'https://uefi.org/specs/UEFI/2.10/03_Boot_Manager.html',
  date: '2022-08',
};

export const anyCloudSources: Readonly<Record<string, Source>> = {
  uefi: UEFI,
  osRelease: {
    title: 'os-release(5)',
    url: 'https://www.freedesktop.org/software/systemd/man/latest/os-release.html',
    date: '2026-11',
    isDateOfReading: true,
  },
};

export const anyCloudRules: readonly Rule[] = [
  {
    id: 'said.boot',
    severity: 'error',
    requires: { kind: 'boot-as-said' },
    when: { disk: 'system', said: 'boot' },
    sources: ['uefi'],
  },
  {
    id: 'said.arch',
    severity: 'error',
    requires: { kind: 'architecture-as-said' },
    when: { disk: 'system', said: 'arch' },
    sources: ['uefi'],
  },
  {
    id: 'said.os',
    severity: 'error',
    requires: { kind: 'os-as-said' },
    when: { disk: 'system', said: 'os' },
    sources: ['osRelease'],
  },
];
