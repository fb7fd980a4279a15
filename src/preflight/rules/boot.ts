/** Rules on how a machine starts from the disk, and which machine. */

import type { DiskContents } from '../../inspect/contents.ts';
import type { RequirementOf } from '../../profiles/profile.ts';
import { broken, doubtful, type Judgement, kept, listed, unseen } from '../judgement.ts';
import type { Subject } from '../subject.ts';

const NAMES = { bios: 'BIOS', uefi: 'UEFI' } as const;
const named = (modes: readonly ('bios' | 'uefi')[], last = 'or'): string =>
  listed(
    modes.map((mode) => NAMES[mode]),
    last,
  );

/** Architectures that are seen on the disk: of its loaders, or of its systems. */
export function architecturesOf({ boot, systems }: DiskContents): readonly string[] {
  if (boot.architectures.length > 0) return boot.architectures;
  return [...new Set(systems.flatMap(({ architecture }) => architecture ?? []))];
}

const notSeen = ({ unseen: why }: Subject): string => why ?? 'The disk was not looked at.';

/** Why no loader is seen, or one that only its own machine finds. */
function withoutLoader(contents: DiskContents): string {
  const note = contents.notes.find(({ code }) => code === 'no-fallback-loader');
  return note?.message ?? 'No boot loader was found.';
}

/** All of the disk that tells was looked at, and there is nothing that could start. */
const hasNothingToStart = ({ boot, notLookedAt }: DiskContents): boolean =>
  boot.bios === 'none' &&
  boot.efiLoaders.length === 0 &&
  (boot.vendorLoaders ?? []).length === 0 &&
  notLookedAt.length === 0;

export function bootModes({ modes }: RequirementOf<'boot-modes'>, subject: Subject): Judgement {
  const { contents, facts } = subject;
  const wanted = named(modes);
  if (facts.boot !== undefined && !modes.includes(facts.boot)) {
    return broken(wanted, NAMES[facts.boot], {
      reason: `The cloud does not start machines with ${NAMES[facts.boot]}.`,
      advice: 'Install a loader of the other kind in the guest.',
    });
  }
  if (contents === undefined) return unseen(wanted, notSeen(subject));
  const found = contents.boot.modes;
  if (found.length === 0) {
    if (contents.notLookedAt.some(({ what }) => what === 'the partition table')) {
      return unseen(wanted, 'The partition table was not looked at.');
    }
    const details = {
      reason: withoutLoader(contents),
      advice:
        contents.systems.length > 0
          ? `Install a loader for ${wanted} in the guest.`
          : 'Say --data-disk for a disk without a system.',
    };
    return hasNothingToStart(contents) ? broken(wanted, 'none', details) : doubtful(wanted, 'none', details);
  }
  if (found.some((mode) => modes.includes(mode))) return kept(wanted, named(found, 'and'));
  return broken(wanted, named(found, 'and'), {
    reason: `The disk starts with ${named(found, 'and')} only.`,
    advice: `Install a loader for ${wanted} in the guest.`,
  });
}

export function bootAsSaid(_: RequirementOf<'boot-as-said'>, subject: Subject): Judgement {
  const { contents, facts } = subject;
  if (contents === undefined) return unseen('the boot mode that was said', notSeen(subject));
  const found = contents.boot.modes;
  const seen = found.length === 0 ? 'no loader' : named(found, 'and');
  if (facts.boot === undefined) return unseen('what was said', 'Nothing was said.');
  const wanted = NAMES[facts.boot];
  if (found.includes(facts.boot)) return kept(wanted, seen);
  if (found.length === 0) return doubtful(wanted, seen, { reason: withoutLoader(contents) });
  const details = {
    reason: `It was said to start with ${wanted}, but only a loader for ${seen} was found: the machine would not start.`,
    advice: `Say --boot ${found[0]}, or install a loader for ${wanted} in the guest.`,
  };
  // A loader that only entries in the firmware find has been seen, though it is no way to start a new machine.
  const hasVendorLoader = facts.boot === 'uefi' && (contents.boot.vendorLoaders ?? []).length > 0;
  return hasVendorLoader
    ? doubtful(wanted, seen, { ...details, reason: withoutLoader(contents) })
    : broken(wanted, seen, details);
}

export function bootOfArchitecture(
  { architecture, mode }: RequirementOf<'boot-of-architecture'>,
  subject: Subject,
): Judgement {
  const { contents, facts } = subject;
  const wanted = `${NAMES[mode]} for ${architecture}`;
  const known = facts.arch === undefined ? contents && architecturesOf(contents) : [facts.arch];
  if (known === undefined) return unseen(wanted, notSeen(subject));
  if (!known.includes(architecture))
    return kept(wanted, `the disk is for ${listed(known, 'and') || 'no known machine'}`);
  if (facts.boot !== undefined && facts.boot !== mode) {
    return broken(wanted, NAMES[facts.boot], {
      reason: `Machines with ${architecture} start with ${NAMES[mode]} only.`,
      advice: `Say --boot ${mode}.`,
    });
  }
  if (contents === undefined) return unseen(wanted, notSeen(subject));
  const found = contents.boot.modes;
  if (found.includes(mode)) return kept(wanted, named(found, 'and'));
  if (found.length === 0) return doubtful(wanted, 'no loader', { reason: withoutLoader(contents) });
  return broken(wanted, named(found, 'and'), {
    reason: `Machines with ${architecture} start with ${NAMES[mode]} only.`,
    advice: `Install a loader for ${NAMES[mode]} in the guest.`,
  });
}

export function architectures(
  { architectures: allowed }: RequirementOf<'architectures'>,
  subject: Subject,
): Judgement {
  const { contents, facts } = subject;
  const wanted = listed(allowed);
  if (facts.arch !== undefined && !allowed.includes(facts.arch)) {
    return broken(wanted, facts.arch, { reason: `The cloud does not take images for ${facts.arch}.` });
  }
  if (contents === undefined) return unseen(wanted, notSeen(subject));
  const found = architecturesOf(contents);
  if (found.length === 0) return unseen(wanted, 'Nothing on the disk tells its architecture.');
  if (found.some((name) => allowed.includes(name))) return kept(wanted, listed(found, 'and'));
  return broken(wanted, listed(found, 'and'), {
    reason: `The cloud does not take images for ${listed(found)}.`,
    advice: 'Another system is needed: no conversion changes what a disk is for.',
  });
}

export function architectureAsSaid(_: RequirementOf<'architecture-as-said'>, subject: Subject): Judgement {
  const { contents, facts } = subject;
  if (contents === undefined) return unseen('the architecture that was said', notSeen(subject));
  const found = architecturesOf(contents);
  const seen = listed(found, 'and') || 'nothing that tells';
  if (facts.arch === undefined) return unseen('what was said', 'Nothing was said.');
  if (found.length === 0) return unseen(facts.arch, 'Nothing on the disk tells its architecture.');
  const isIt = found.includes(facts.arch) || (facts.arch === 'x86' && found.includes('ia32'));
  if (isIt) return kept(facts.arch, seen);
  return broken(facts.arch, seen, {
    reason: `It was said to be for ${facts.arch}, but what is on the disk is for ${seen}.`,
    advice: `Say --arch ${found[0] === 'arm' ? 'arm' : 'x86'}, or take another image.`,
  });
}

export function osAsSaid(_: RequirementOf<'os-as-said'>, subject: Subject): Judgement {
  const { contents, facts } = subject;
  if (contents === undefined) return unseen('the system that was said', notSeen(subject));
  const found = [...new Set(contents.systems.map(({ family }) => family))];
  const seen = listed(found, 'and') || 'none that was recognised';
  if (facts.os === undefined) return unseen('what was said', 'Nothing was said.');
  if (found.length === 0) return unseen(facts.os, 'No system was recognised on the disk.');
  if (found.includes(facts.os)) return kept(facts.os, seen);
  return broken(facts.os, seen, {
    reason: `It was said to be ${facts.os}, but ${seen} was found.`,
    advice: `Say --os ${found[0]}.`,
  });
}
