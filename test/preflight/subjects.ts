/** Images as rules see them, made up: sound ones, and for each kind of rule one that keeps it and one that breaks it. */

import { GiB } from '../../src/binary/align.ts';
import type { DiskContents, Partition, SystemFacts } from '../../src/index.ts';
import { fixesFor } from '../../src/preflight/fixes.ts';
import type { ImageFacts, ImportFacts, Subject } from '../../src/preflight/subject.ts';
import type {
  Profile,
  Requirement,
  RequirementKind,
  RequirementOf,
  RuleCondition,
} from '../../src/profiles/profile.ts';

export interface Changes {
  readonly image?: Partial<ImageFacts>;
  readonly contents?: Partial<DiskContents>;
  readonly system?: Partial<SystemFacts>;
  readonly facts?: ImportFacts;
}

const system: SystemFacts = {
  family: 'linux',
  partition: 2,
  id: 'debian',
  prettyName: 'Debian GNU/Linux 12',
  architecture: 'x86',
  kernels: ['6.1.0'],
  fstabDevices: [],
  initramfs: '/boot/initrd.img-6.1.0',
  virtioDrivers: ['virtio_blk', 'virtio_net', 'virtio_pci', 'virtio_scsi'],
  hasCloudInit: true,
  network: 'dhcp',
};

export const partition = (
  number: number,
  kind: Partition['content']['kind'],
  isEncrypted = false,
): Partition => ({
  number,
  start: number * GiB,
  end: (number + 1) * GiB,
  type: '0x83',
  isActive: false,
  content: { kind, ...(isEncrypted && { isEncrypted: true }) },
});

const contents: DiskContents = {
  table: 'gpt',
  sectorSize: 512,
  diskId: '0ddba11e-0000-4000-8000-000000000000',
  partitions: [partition(1, 'fat32'), partition(2, 'ext4')],
  isIso: false,
  boot: { bios: 'grub', efiLoaders: ['BOOTX64.EFI'], modes: ['bios', 'uefi'], architectures: ['x86'] },
  systems: [system],
  usedEnd: 4 * GiB,
  notes: [],
  notLookedAt: [],
  readBytes: 100_000,
};

const image: ImageFacts = {
  name: 'images/debian.qcow2',
  format: 'qcow2',
  virtualSize: 40 * GiB,
  fileSize: 2 * GiB,
  isEncrypted: false,
  isDirty: false,
  snapshotCount: 0,
};

/** A sound Debian, and what is to be other. */
export function subjectOf(profile: Profile, changes: Changes): Subject {
  const systems = changes.contents?.systems ?? [{ ...system, ...changes.system }];
  const own = { ...image, ...changes.image };
  return {
    image: own,
    contents: { ...contents, ...changes.contents, systems },
    facts: changes.facts ?? {},
    fixes: fixesFor(own.name, profile, { facts: changes.facts ?? {}, size: undefined }),
  };
}

/** The same when the disk could not be looked at. */
export function unseenSubject(profile: Profile, changes: Changes): Subject {
  const { contents: _, ...rest } = subjectOf(profile, changes);
  return { ...rest, unseen: 'The disk cannot be read: [encrypted] It is encrypted.' };
}

/** What must be so that the rule counts. */
export function conditionChanges(when: RuleCondition = {}): Changes {
  const [format = 'qcow2', subformat] = when.formats?.[0]?.split('-') ?? [];
  const facts: ImportFacts = {
    ...(when.import && { import: when.import }),
    ...(when.os && { os: when.os }),
    ...(when.disk && { disk: when.disk }),
    ...(when.boot && { boot: when.boot }),
    ...(when.said === 'os' && { os: 'linux' }),
    ...(when.said === 'boot' && { boot: 'uefi' }),
    ...(when.said === 'arch' && { arch: 'x86' }),
  };
  return {
    facts,
    image: { format, name: `images/debian.${format}`, ...(subformat !== undefined && { subformat }) },
    contents: {
      ...(when.table && { table: when.table }),
      ...(when.isIso !== undefined && { isIso: when.isIso }),
    },
    ...(when.os && { system: { family: when.os } }),
  };
}

export const merged = (a: Changes, b: Changes): Changes => ({
  image: { ...a.image, ...b.image },
  contents: { ...a.contents, ...b.contents },
  system: { ...a.system, ...b.system },
  facts: { ...a.facts, ...b.facts },
});

interface Pair {
  readonly keeps: Changes;
  readonly breaks: Changes;
}

const split = (name = ''): Partial<ImageFacts> => {
  const [format = '', subformat] = name.split('-');
  return { format, ...(subformat !== undefined && { subformat }) };
};

/** For each kind of rule, by what it asks for: what keeps it and what breaks it. */
const pairs: { readonly [K in RequirementKind]: (requirement: RequirementOf<K>) => Pair } = {
  formats: ({ formats }) => ({
    keeps: { image: split(formats.at(-1)) },
    breaks: { image: { format: 'parallels' } },
  }),
  archive: ({ member, wrapper }) => ({
    keeps: { image: { format: 'raw', archiveMember: member, wrapper } },
    breaks: { image: { format: 'raw', archiveMember: 'other.raw', wrapper } },
  }),
  'file-size': ({ min = 0, max = 0 }) => ({
    keeps: { image: { fileSize: Math.max(min, max) } },
    breaks: { image: { fileSize: max + 1 } },
  }),
  'file-size-over-disk': ({ bytes }) => ({
    keeps: { image: { virtualSize: GiB, fileSize: GiB + bytes } },
    breaks: { image: { virtualSize: GiB, fileSize: GiB + bytes + 1 } },
  }),
  'virtual-size': ({ min, max, below, multipleOf }) => ({
    keeps: {
      image: { virtualSize: max ?? min ?? (below === undefined ? 8 * (multipleOf ?? 1) : below - 1) },
    },
    breaks: { image: { virtualSize: (max ?? below ?? 8 * (multipleOf ?? 1)) + 1 } },
  }),
  'disk-size-range': ({ minGiB, maxGiB }) => ({
    keeps: { image: { virtualSize: GiB }, facts: { diskSize: minGiB * GiB } },
    breaks: { image: { virtualSize: GiB }, facts: { diskSize: (maxGiB + 1) * GiB } },
  }),
  'disk-fits': () => ({
    keeps: { facts: { diskSize: 41 * GiB } },
    breaks: { facts: { diskSize: 39 * GiB } },
  }),
  'whole-gib-disk': () => ({
    keeps: { facts: { diskSize: 41 * GiB } },
    breaks: { facts: { diskSize: 41 * GiB + 512 } },
  }),
  'vhd-size': () => ({
    keeps: {
      image: { vhd: { currentSize: 40 * GiB, chsSize: 39 * GiB, rule: 'current', cylinderSize: 516_096 } },
    },
    breaks: {
      image: {
        virtualSize: 2_147_991_552,
        vhd: { currentSize: 2_147_991_552, chsSize: 2_147_991_552, rule: 'current', cylinderSize: 516_096 },
      },
    },
  }),
  'outside-files': ({ refused: [first] }) => ({
    keeps: {},
    breaks: {
      image:
        first === 'backing'
          ? { backing: 'base.qcow2' }
          : first === 'data-file'
            ? { dataFile: 'data.raw' }
            : { hasExtentFiles: true },
    },
  }),
  'no-encrypted-image': () => ({ keeps: {}, breaks: { image: { isEncrypted: true } } }),
  'internal-snapshots': () => ({ keeps: {}, breaks: { image: { snapshotCount: 2 } } }),
  'vmdk-types': ({ types: [first = ''] }) => ({
    keeps: { image: { subformat: first } },
    breaks: { image: { subformat: 'monolithicFlat' } },
  }),
  'declared-format': () => ({ keeps: {}, breaks: { image: { name: 'debian.raw' } } }),
  'file-name': ({ refused }) => ({
    keeps: {},
    breaks: { image: { name: `images/de${refused?.[0] ?? '?'}bian.qcow2` } },
  }),
  'companion-file': () => ({
    keeps: { image: { companion: { name: 'images/debian.mf', size: 100 } } },
    breaks: { image: { companion: { name: 'images/debian.mf', size: undefined } } },
  }),
  'boot-modes': ({ modes: [mode = 'bios'] }) => ({
    keeps: { contents: { boot: { ...contents.boot, modes: [mode] } } },
    breaks: { contents: { boot: { bios: 'none', efiLoaders: [], modes: [], architectures: [] } } },
  }),
  'boot-of-architecture': ({ architecture, mode }) => ({
    keeps: { facts: { arch: architecture as 'arm', boot: mode } },
    breaks: { facts: { arch: architecture as 'arm', boot: mode === 'uefi' ? 'bios' : 'uefi' } },
  }),
  architectures: ({ architectures: [first = ''] }) => ({
    keeps: { contents: { boot: { ...contents.boot, architectures: [first as 'x86'] } } },
    breaks: { contents: { boot: { ...contents.boot, architectures: ['riscv64'] } } },
  }),
  'boot-as-said': () => ({
    keeps: { facts: { boot: 'uefi' } },
    breaks: { facts: { boot: 'uefi' }, contents: { boot: { ...contents.boot, modes: ['bios'] } } },
  }),
  'architecture-as-said': () => ({
    keeps: { facts: { arch: 'x86' } },
    breaks: { facts: { arch: 'arm' } },
  }),
  'os-as-said': () => ({ keeps: { facts: { os: 'linux' } }, breaks: { facts: { os: 'windows' } } }),
  'partition-table': ({ tables: [first = 'mbr'] }) => ({
    keeps: { contents: { table: first } },
    breaks: { contents: { table: 'none', partitions: [] } },
  }),
  'no-encrypted-volumes': () => ({
    keeps: {},
    breaks: { contents: { partitions: [partition(1, 'fat32'), partition(2, 'luks2', true)] } },
  }),
  'no-optical-disc': () => ({ keeps: {}, breaks: { contents: { isIso: true } } }),
  'os-family': ({ family }) => ({
    keeps: { facts: { os: family } },
    breaks: { facts: { os: family === 'linux' ? 'windows' : 'linux' } },
  }),
  'one-system': () => ({
    keeps: {},
    breaks: { contents: { systems: [system, { family: 'windows', partition: 3 }] } },
  }),
  'root-filesystem': () => ({ keeps: {}, breaks: { contents: { partitions: [], systems: [] } } }),
  'fstab-by-uuid': () => ({
    keeps: {},
    breaks: { system: { fstabDevices: [{ line: 3, text: '/dev/sda1 / ext4 defaults 0 1' }] } },
  }),
  'root-by-uuid': () => ({
    keeps: {},
    breaks: {
      contents: {
        notes: [{ code: 'root-by-device', message: 'grub.cfg names /dev/sda1.', severity: 'warning' }],
      },
    },
  }),
  'virtio-drivers': ({ drivers }) => ({
    keeps: { system: { virtioDrivers: drivers } },
    breaks: { system: { virtioDrivers: drivers.slice(1) } },
  }),
  'cloud-init': () => ({ keeps: {}, breaks: { system: { hasCloudInit: false } } }),
  dhcp: () => ({ keeps: {}, breaks: { system: { network: 'static' } } }),
  'no-lvm-root': () => ({
    keeps: {},
    breaks: { contents: { partitions: [partition(1, 'fat32'), partition(2, 'lvm2')] } },
  }),
  'clean-shutdown': () => ({
    keeps: {},
    breaks: {
      contents: {
        notes: [
          { code: 'journal-not-replayed', message: 'Partition 2 was not unmounted.', severity: 'warning' },
        ],
      },
    },
  }),
};

export const pairOf = (requirement: Requirement): Pair =>
  (pairs[requirement.kind] as (requirement: Requirement) => Pair)(requirement);
