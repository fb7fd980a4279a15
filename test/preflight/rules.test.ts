/** Every rule of every profile: an image that keeps it passes, one that breaks it does not, one that was not seen is no pass. */

import { describe, expect, it, test } from 'vitest';
import { GiB } from '../../src/binary/align.ts';
import { type Profile, profileNamed, profiles, type Rule } from '../../src/index.ts';
import { judge, type RuleVerdict } from '../../src/preflight/judge.ts';
import { anyCloudRules } from '../../src/profiles/any-cloud.ts';
import {
  type Changes,
  conditionChanges,
  merged,
  pairOf,
  partition,
  subjectOf,
  unseenSubject,
} from './subjects.ts';

const cases = profiles.flatMap((profile) =>
  [...profile.rules, ...anyCloudRules].map((rule) => ({ cloud: profile.name, id: rule.id, profile, rule })),
);

function verdictOf(profile: Profile, id: string, changes: Changes): RuleVerdict | undefined {
  return judge(profile, subjectOf(profile, changes)).rules.find(({ rule }) => rule === id);
}

const changesFor = (rule: Rule, which: 'keeps' | 'breaks'): Changes =>
  merged(conditionChanges(rule.when), pairOf(rule.requires)[which]);

describe('a rule that is kept passes, one that is broken does not', () => {
  test.each(cases)('$cloud: $id', ({ profile, rule }) => {
    const pass = verdictOf(profile, rule.id, changesFor(rule, 'keeps'));
    expect(pass).toMatchObject({ rule: rule.id, verdict: 'pass' });
    expect(pass?.reason).toBeUndefined();
    expect(pass?.fix).toBeUndefined();

    const problem = verdictOf(profile, rule.id, changesFor(rule, 'breaks'));
    expect(problem).toMatchObject({
      rule: rule.id,
      verdict: rule.severity === 'error' ? 'fail' : 'warn',
      seen: expect.stringMatching(/./),
      wanted: expect.stringMatching(/./),
      reason: expect.stringMatching(/^[^a-z].*\.$/),
    });
    expect(problem?.sources.length).toBe(rule.sources.length);
  });
});

it('names what to do wherever a command helps', () => {
  const silent = cases.filter(({ profile, rule }) => {
    const verdict = verdictOf(profile, rule.id, changesFor(rule, 'breaks'));
    return verdict?.fix === undefined && verdict?.advice === undefined;
  });
  expect([...new Set(silent.map(({ rule }) => rule.requires.kind))]).toEqual([]);
});

it('what could not be looked at is never a pass of a rule on the disk', () => {
  const onDisk: readonly string[] = [
    'partition-table',
    'no-encrypted-volumes',
    'no-optical-disc',
    'one-system',
    'root-filesystem',
    'fstab-by-uuid',
    'root-by-uuid',
    'virtio-drivers',
    'cloud-init',
    'dhcp',
    'no-lvm-root',
    'clean-shutdown',
    'boot-modes',
    'architectures',
    'boot-as-said',
    'architecture-as-said',
    'os-as-said',
  ];
  for (const { profile, rule } of cases) {
    if (!onDisk.includes(rule.requires.kind)) continue;
    const { rules } = judge(profile, unseenSubject(profile, conditionChanges(rule.when)));
    expect(rules.find((one) => one.rule === rule.id)).toMatchObject({
      verdict: 'not-checked',
      reason: expect.stringMatching(/./),
    });
  }
});

describe('the disk that is chosen', () => {
  const huawei = profileNamed('huawei-ims');
  const fits = (id: string, changes: Changes) => verdictOf(huawei, id, changes);
  const rounded: Changes = {
    image: {
      format: 'vhd',
      subformat: 'dynamic',
      name: 'disk.vhd',
      virtualSize: 2_147_991_552,
      vhd: { currentSize: 2_147_991_552, chsSize: 2_147_991_552, rule: 'current', cylinderSize: 516_096 },
    },
  };

  it('of just the size of the image is enough for normal import, and a question for fast import', () => {
    const just = { facts: { diskSize: 40 * GiB } };
    expect(fits('disk-size.fits', just)?.verdict).toBe('pass');
    const fast = fits('fast.disk-size.fits', { facts: { ...just.facts, import: 'fast' } });
    expect(fast).toMatchObject({ verdict: 'warn', advice: 'Choose 41 GiB to be safe.' });
    expect(fast?.reason).toMatch(/≥ or >/);
    expect(fits('fast.disk-size.fits', { facts: { diskSize: 41 * GiB, import: 'fast' } })?.verdict).toBe(
      'pass',
    );
    expect(fits('fast.disk-size.fits', { facts: { diskSize: 39 * GiB, import: 'fast' } })?.verdict).toBe(
      'fail',
    );
  });

  it('is too small for a VHD that was rounded up, with the cause and the command', () => {
    const found = fits(
      'disk-size.fits',
      merged(rounded, { facts: { diskSize: 2 * GiB }, contents: { table: 'mbr', usedEnd: 2 * GiB } }),
    );
    expect(found).toMatchObject({
      verdict: 'fail',
      wanted: 'a disk of 3 GiB or more',
      reason: 'The disk is 507904 bytes too small: the VHD was rounded up from 2 GiB.',
      advice: 'Choose 3 GiB at registration, or convert:',
      fix: 'diskimg convert --size 2G -O zvhd2 disk.vhd disk.zvhd2',
    });
    const warning = fits('vhd.size', merged(rounded, { contents: { table: 'none' } }));
    expect(warning?.reason).toBe(
      '2 GiB were rounded up to whole cylinders (CHS), by 992 sectors: a disk of 2 GiB is too small for it.',
    );
  });

  it('stays too small when the end is in use: then no command is offered', () => {
    for (const contents of [
      { table: 'mbr', usedEnd: 2_147_991_552 } as const,
      { table: 'gpt', usedEnd: 2 * GiB } as const,
    ]) {
      const found = fits('disk-size.fits', merged(rounded, { facts: { diskSize: 2 * GiB }, contents }));
      expect(found).toMatchObject({ verdict: 'fail', advice: 'Choose 3 GiB at registration.' });
      expect(found?.fix).toBeUndefined();
    }
  });

  it('is a question where readers of a VHD differ, and only one of its sizes fits', () => {
    const image = {
      format: 'vhd',
      name: 'disk.vhd',
      virtualSize: 2 * GiB + 516_096,
      vhd: { currentSize: 2 * GiB, chsSize: 2 * GiB + 516_096, rule: 'chs', cylinderSize: 516_096 },
    } as const;
    expect(fits('disk-size.fits', { image, facts: { diskSize: 2 * GiB } })).toMatchObject({
      verdict: 'warn',
      reason: expect.stringMatching(/by its current size, .* by its geometry/),
    });
    expect(fits('vhd.size', { image })?.verdict).toBe('warn');
    expect(fits('disk-size.fits', { image, facts: { diskSize: GiB } })?.verdict).toBe('fail');
  });
});

it('a rule whose condition nobody knows is no failure', () => {
  const changes = {
    contents: { systems: [] },
    facts: { diskSize: 5 * GiB },
    image: { virtualSize: 4 * GiB },
  };
  const huawei = profileNamed('huawei-ims');
  expect(verdictOf(huawei, 'disk-size.linux', changes)).toMatchObject({
    verdict: 'not-checked',
    reason: 'It counts for linux only: say --os.',
  });
  expect(verdictOf(huawei, 'disk-size.linux', merged(changes, { facts: { os: 'linux' } }))?.verdict).toBe(
    'fail',
  );
  expect(verdictOf(huawei, 'disk-size.linux', merged(changes, { facts: { os: 'windows' } }))).toBeUndefined();
});

it('an encrypted image fails though nobody can look into it', () => {
  const aws = profileNamed('aws-import');
  const { rules, verdict } = judge(aws, unseenSubject(aws, { image: { format: 'raw', isEncrypted: true } }));
  expect(verdict).toBe('fail');
  expect(rules[0]).toMatchObject({ rule: 'disk.encrypted', verdict: 'fail', seen: 'the image is encrypted' });
});

it('a volume that was not read may be encrypted', () => {
  const contents = {
    partitions: [partition(1, 'unknown')],
    notLookedAt: [{ what: 'the contents of partition 1', why: 'It would take too much reading.' }],
  };
  expect(verdictOf(profileNamed('aws-import'), 'disk.encrypted', { contents })?.verdict).toBe('not-checked');
});

it('a loader that only its own machine finds is a warning', () => {
  const contents = {
    boot: {
      bios: 'none',
      efiLoaders: [],
      vendorLoaders: ['EFI/debian/shimx64.efi'],
      modes: [],
      architectures: [],
    },
    notes: [
      { code: 'no-fallback-loader', message: 'There is no EFI/BOOT/BOOTX64.EFI.', severity: 'warning' },
    ],
  } as const;
  const changes = { contents, facts: { boot: 'uefi' } } as const;
  expect(verdictOf(profileNamed('azure'), 'boot.generations', changes)).toMatchObject({
    verdict: 'warn',
    reason: 'There is no EFI/BOOT/BOOTX64.EFI.',
  });
});

it('drivers that may stand in the part of an initramfs that was not read are not missed', () => {
  const system = { virtioDrivers: ['virtio_blk'], isInitramfsPartial: true } as const;
  expect(verdictOf(profileNamed('tencent'), 'linux.virtio', { system })?.verdict).toBe('not-checked');
});
