/** Rules on the partitions of the disk, and on the systems in them. */

import type { DiskContents, SystemFacts } from '../../inspect/contents.ts';
import type { RequirementKind, RequirementOf } from '../../profiles/profile.ts';
import { broken, doubtful, type Judgement, kept, listed, plural, unseen } from '../judgement.ts';
import type { Subject } from '../subject.ts';
import { decrypting } from './container.ts';

const TABLE_NAMES = { none: 'no partition table', mbr: 'MBR', gpt: 'GPT', hybrid: 'GPT and MBR' } as const;

/** Was something not looked at that is called so? */
const isUnseen = ({ notLookedAt }: DiskContents, what: RegExp): string | undefined =>
  notLookedAt.find((one) => what.test(one.what))?.why;

type DiskRule<K extends RequirementKind> = (
  requirement: RequirementOf<K>,
  contents: DiskContents,
  subject: Subject,
) => Judgement;

/** A rule that needs the disk. @param wanted what it asks for, said where nobody could look */
const ofDisk =
  <K extends RequirementKind>(
    wanted: string | ((requirement: RequirementOf<K>) => string),
    rule: DiskRule<K>,
  ) =>
  (requirement: RequirementOf<K>, subject: Subject): Judgement =>
    subject.contents === undefined
      ? unseen(
          typeof wanted === 'string' ? wanted : wanted(requirement),
          subject.unseen ?? 'The disk was not looked at.',
        )
      : rule(requirement, subject.contents, subject);

/** A rule on each Linux system of the disk. */
const ofSystems = <K extends RequirementKind>(
  wanted: string,
  judge: (system: SystemFacts, requirement: RequirementOf<K>, contents: DiskContents) => Judgement,
) =>
  ofDisk<K>(wanted, (requirement, contents) => {
    const systems = contents.systems.filter(({ family }) => family === 'linux');
    const [first, ...others] = systems.map((system) => judge(system, requirement, contents));
    if (first === undefined) {
      const why = contents.notLookedAt[0];
      return unseen(
        wanted,
        why ? `No system was read: ${why.what}: ${why.why}` : 'No system was recognised on the disk.',
      );
    }
    const order = ['broken', 'doubtful', 'unseen', 'kept'];
    return others.reduce(
      (worst, one) => (order.indexOf(one.outcome) < order.indexOf(worst.outcome) ? one : worst),
      first,
    );
  });

const tablesWanted = ({ tables }: RequirementOf<'partition-table'>): string =>
  listed(tables.map((table) => TABLE_NAMES[table]));

export const partitionTable = ofDisk<'partition-table'>(tablesWanted, (requirement, contents) => {
  const wanted = tablesWanted(requirement);
  const why = isUnseen(contents, /^the partition table$/);
  if (why !== undefined) return unseen(wanted, `The partition table was not looked at: ${why}`);
  const seen = TABLE_NAMES[contents.table];
  const kind = contents.table === 'hybrid' ? 'gpt' : contents.table;
  if (kind !== 'none' && requirement.tables.includes(kind)) return kept(wanted, seen);
  return broken(wanted, seen, {
    reason: `The cloud wants ${wanted}.`,
    advice: 'Convert the partition table with its loader in the guest, or install it anew.',
  });
});

export const noEncryptedVolumes = (
  _: RequirementOf<'no-encrypted-volumes'>,
  { contents, image, fixes, unseen: why }: Subject,
): Judgement => {
  const wanted = 'nothing encrypted';
  if (image.isEncrypted) {
    return broken(wanted, 'the image is encrypted', decrypting(fixes));
  }
  if (contents === undefined) return unseen(wanted, why ?? 'The disk was not looked at.');
  const parts = contents.partitions.filter(({ content }) => content.isEncrypted);
  const found = [
    ...parts.map(({ number, content }) => `${content.kind} in partition ${number}`),
    ...(contents.whole?.isEncrypted ? [`${contents.whole.kind} on the whole disk`] : []),
  ];
  if (found.length > 0) {
    return broken(wanted, listed(found, 'and'), {
      reason: 'The cloud cannot read what it has no key for, and the machine may not start.',
      advice: 'Decrypt the volume in the guest, before the disk is copied.',
    });
  }
  const blind = isUnseen(contents, /^the contents of|^the partition table$/);
  return blind === undefined
    ? kept(wanted, 'nothing encrypted')
    : unseen(wanted, `Not all of the disk was looked at: ${blind}`);
};

export const noOpticalDisc = ofDisk<'no-optical-disc'>('a disk, not an optical disc', (_, { isIso }) =>
  isIso
    ? broken('a disk, not an optical disc', 'the image of an optical disc', {
        reason: 'It holds an installer, not a system.',
        advice: 'Register it as an ISO image, or install it into a disk first.',
      })
    : kept('a disk, not an optical disc', 'a disk'),
);

const nameOf = ({ family, partition, prettyName }: SystemFacts): string =>
  `${prettyName ?? family} in partition ${partition}`;

export const oneSystem = ofDisk<'one-system'>('one system', (_, { systems }) =>
  systems.length > 1
    ? broken('one system', listed(systems.map(nameOf), 'and'), {
        reason: 'More than one system is on the disk.',
        advice: 'Remove all but one in the guest.',
      })
    : kept('one system', systems[0] ? nameOf(systems[0]) : 'none was recognised'),
);

export const osFamily = (
  { family }: RequirementOf<'os-family'>,
  { contents, facts, unseen: why }: Subject,
): Judgement => {
  const found = facts.os === undefined ? contents?.systems.map((system) => system.family) : [facts.os];
  if (found === undefined) return unseen(family, why ?? 'The disk was not looked at.');
  if (found.length === 0) return unseen(family, 'No system was recognised on the disk.');
  const others = found.filter((one) => one !== family);
  if (others.length === 0) return kept(family, family);
  return broken(family, listed([...new Set(found)], 'and'), {
    reason: `The cloud takes ${family} only.`,
    advice: 'No conversion changes that: take another image.',
  });
};

export const rootFilesystem = ofDisk<'root-filesystem'>('a partition with a system', (_, contents) => {
  const wanted = 'a partition with a system';
  const { partitions, systems, notLookedAt, isIso } = contents;
  const why = isUnseen(contents, /^the partition table$/);
  if (why !== undefined) return unseen(wanted, `The partition table was not looked at: ${why}`);
  if (systems.length > 0) return kept(wanted, listed(systems.map(nameOf), 'and'));
  const seen = isIso ? 'the image of an optical disc' : plural(partitions.length, 'partition');
  if (partitions.length === 0 || isIso) {
    return broken(wanted, seen, {
      reason: 'The disk holds no system: it is a data disk, or an installer.',
      advice: 'Take the disk of a machine that was installed; a data disk is judged with --data-disk.',
    });
  }
  const [blind] = notLookedAt;
  return blind
    ? unseen(wanted, `No system was read: ${blind.what}: ${blind.why}`)
    : doubtful(wanted, seen, { reason: 'No system was recognised in the partitions.' });
});

export const fstabByUuid = ofSystems<'fstab-by-uuid'>(
  'disks by UUID or label in /etc/fstab',
  ({ fstabDevices }) => {
    const wanted = 'disks by UUID or label in /etc/fstab';
    if (fstabDevices === undefined) return unseen(wanted, '/etc/fstab was not read.');
    const [first] = fstabDevices;
    if (first === undefined) return kept(wanted, 'no line names a device');
    const seen = fstabDevices.map(({ line, text }) => `line ${line}: ${text.trim()}`).slice(0, 3);
    return broken(wanted, seen.join('; '), {
      reason: 'Devices have other names in another machine.',
      advice: 'Put UUIDs in their place, in the guest: blkid tells them.',
    });
  },
);

export const rootByUuid = ofDisk<'root-by-uuid'>(
  'the root by UUID or label in the boot loader',
  (_, contents) => {
    const wanted = 'the root by UUID or label in the boot loader';
    const note = contents.notes.find(({ code }) => code === 'root-by-device');
    if (note) {
      return broken(wanted, note.message, {
        reason: 'Devices have other names in another machine.',
        advice: 'Let update-grub or grub2-mkconfig write its menu with UUIDs, in the guest.',
      });
    }
    return contents.systems.some(({ family }) => family === 'linux')
      ? kept(wanted, 'no menu names a device')
      : unseen(wanted, 'No system was read.');
  },
);

export const virtioDrivers = ofSystems<'virtio-drivers'>(
  'virtio drivers in the initramfs or the kernel',
  ({ virtioDrivers: found, initramfs, isInitramfsPartial }, { drivers }) => {
    const wanted = listed(drivers, 'and');
    if (found === undefined) return unseen(wanted, 'No initramfs was read whole.');
    const missing = drivers.filter((driver) => !found.includes(driver));
    const seen = `${listed(found, 'and') || 'none'}${initramfs === undefined ? '' : ` (${initramfs})`}`;
    if (missing.length === 0) return kept(wanted, seen);
    if (isInitramfsPartial)
      return unseen(wanted, `Only a part of ${initramfs} was read; found: ${listed(found, 'and')}.`);
    return broken(wanted, seen, {
      reason: `Without ${listed(missing, 'and')} the machine may find neither its disk nor its network.`,
      advice:
        'Add them in the guest: dracut -f --add-drivers, or /etc/initramfs-tools/modules and update-initramfs -u.',
    });
  },
);

export const cloudInit = ofSystems<'cloud-init'>('cloud-init', ({ hasCloudInit }, _, contents) => {
  if (hasCloudInit === undefined) return unseen('cloud-init', 'It was not looked for.');
  const disabled = contents.notes.find(({ code }) => code === 'cloud-init-disabled');
  if (hasCloudInit && !disabled) return kept('cloud-init', 'installed');
  return broken('cloud-init', hasCloudInit ? 'disabled' : 'not installed', {
    reason: disabled?.message ?? 'Without it the cloud sets neither password nor keys.',
    advice: hasCloudInit ? 'Remove that file in the guest.' : 'Install the package cloud-init in the guest.',
  });
});

export const dhcp = ofSystems<'dhcp'>('network by DHCP', ({ network }) => {
  if (network === undefined) return unseen('network by DHCP', 'How the network is set was not found.');
  if (network === 'dhcp') return kept('network by DHCP', network);
  return broken('network by DHCP', network, {
    reason: 'A fixed address is not that of the new network.',
    advice: 'Set the interface to DHCP in the guest.',
  });
});

export const noLvmRoot = ofSystems<'no-lvm-root'>('the root outside LVM', ({ partition }, _, contents) => {
  const content =
    partition === 0
      ? contents.whole
      : contents.partitions.find(({ number }) => number === partition)?.content;
  const isLvm = content?.kind === 'lvm2';
  return isLvm
    ? broken('the root outside LVM', `the root is in LVM, in partition ${partition}`, {
        reason: 'The cloud cannot change files in it.',
        advice: 'Make sure that everything is set up in the guest: drivers, network, cloud-init.',
      })
    : kept('the root outside LVM', `partition ${partition}`);
});

export const cleanShutdown = (
  _: RequirementOf<'clean-shutdown'>,
  { contents, image, unseen: why }: Subject,
): Judgement => {
  const wanted = 'a machine that was shut down';
  const advice = 'Start the machine once more, shut it down, and copy the disk then.';
  if (image.isDirty)
    return broken(wanted, 'the image was not closed', {
      reason: 'It was in use when it was copied.',
      advice,
    });
  if (contents === undefined) return unseen(wanted, why ?? 'The disk was not looked at.');
  const note = contents.notes.find(({ code }) => code === 'journal-not-replayed');
  return note
    ? broken(wanted, 'a journal that was not replayed', { reason: note.message, advice })
    : kept(wanted, 'nothing that tells otherwise');
};
