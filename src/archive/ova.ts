/** An OVA: a tar archive with the descriptor of an appliance first, then its disks (DMTF DSP0243, 5.2). */

import { CorruptImageError, ImageError, OptionError, UnsupportedFeatureError } from '../errors.ts';
import { type ByteSource, readBytes } from '../io/source.ts';
import { type Ovf, type OvfFile, parseOvf } from './ovf.ts';
import { type ArchiveMember, isTar, tarMembers } from './tar-walk.ts';

/** A disk in an archive, or one that its descriptor names and that is not there. */
export interface ArchiveDisk {
  readonly name: string;
  /** Left out where the archive does not have it. */
  readonly member?: ArchiveMember;
  readonly file?: OvfFile;
  readonly diskId?: string;
  /** Bytes of the disk, as the descriptor has it. */
  readonly capacity?: number;
}

export interface Archive {
  /** What it is called in messages. */
  readonly name: string;
  /** `ova` with a descriptor, or with the name of one. */
  readonly kind: 'ova' | 'tar';
  readonly members: readonly ArchiveMember[];
  readonly disks: readonly ArchiveDisk[];
}

/** Descriptors are some ten KiB. */
const MAX_DESCRIPTOR = 1024 ** 2;

export const isNamedAsOva = (name: string): boolean => name.toLowerCase().endsWith('.ova');

/** Does an archive begin that can be one of an appliance: with a descriptor, or with what may stand before it? */
export async function isOva(source: ByteSource): Promise<boolean> {
  if (!(await isTar(source))) return false;
  for await (const { name } of tarMembers(source)) return /\.(ovf|vmdk|mf|cert)$/i.test(name);
  return false;
}

/**
 * What is in a tar archive. Disks are what its descriptor says to be disks, and what is named as one.
 * @throws CorruptImageError `truncated`, `bad-header`; UnsupportedFeatureError; BudgetError
 */
export async function readArchive(
  source: ByteSource,
  isNamedAsDisk: (name: string) => boolean,
): Promise<Archive> {
  const members: ArchiveMember[] = [];
  for await (const member of tarMembers(source)) members.push(member);
  const descriptor = members.find(({ name }) => name.toLowerCase().endsWith('.ovf'));
  const ovf = descriptor && (await readDescriptor(source, descriptor));
  return {
    name: source.name,
    kind: ovf || isNamedAsOva(source.name) ? 'ova' : 'tar',
    members,
    disks: disksOf(members, ovf, isNamedAsDisk),
  };
}

async function readDescriptor(source: ByteSource, descriptor: ArchiveMember): Promise<Ovf> {
  requireReadable(descriptor);
  const { name, start, size } = descriptor;
  if (size > MAX_DESCRIPTOR) {
    throw new UnsupportedFeatureError(
      'unsupported-feature',
      `${name} has ${size} bytes; a descriptor of at most ${MAX_DESCRIPTOR} is read.`,
      { fileOffset: start, hint: 'Unpack the archive with tar, and convert the disk in it.' },
    );
  }
  return parseOvf(await readBytes(source, start, size, 'The descriptor of the archive'));
}

function disksOf(
  members: readonly ArchiveMember[],
  ovf: Ovf | undefined,
  isNamedAsDisk: (name: string) => boolean,
): ArchiveDisk[] {
  const byName = new Map(members.map((member) => [member.name, member]));
  const files = new Map(ovf?.files.map((file) => [file.id, file]));
  const disks = new Map<string, ArchiveDisk>();
  for (const { id: diskId, fileRef, capacity } of ovf?.disks ?? []) {
    const file = fileRef === undefined ? undefined : files.get(fileRef);
    if (file === undefined || disks.has(file.href)) continue; // a disk that is made empty, or one file as two disks
    const member = byName.get(file.href);
    disks.set(file.href, {
      name: file.href,
      ...(member && { member }),
      file,
      diskId,
      ...(capacity !== undefined && { capacity }),
    });
  }
  for (const member of members) {
    const { name } = member;
    if (!disks.has(name) && isNamedAsDisk(name)) disks.set(name, { name, member });
  }
  return [...disks.values()];
}

/**
 * The member that was asked for, or the only disk.
 * @throws OptionError `bad-option` for a name that is not there; ImageError `needs-member` when there are several disks;
 * UnsupportedFeatureError; CorruptImageError
 */
export function chosenMember(archive: Archive, asked: string | undefined): ArchiveMember {
  const { name, members, disks } = archive;
  if (asked !== undefined) {
    const found = members.filter((member) => member.name === asked);
    if (found.length > 1) throw twice(archive, asked);
    const [member] = found;
    if (member) return requireReadable(member);
    const disk = disks.find((one) => one.name === asked);
    if (disk) throw missing(archive, disk);
    throw new OptionError('bad-option', `There is no ${JSON.stringify(asked)} in ${name}.`, {
      hint: disks.length > 0 ? `Its disks: ${namesOf(disks)}.` : 'There is no disk in it.',
    });
  }
  const [disk] = disks;
  if (disk === undefined) {
    throw new UnsupportedFeatureError('unsupported-feature', `There is no disk in ${name}.`, {
      hint: 'Name a member of the archive with --member; or, if these are the bytes of a disk, say -f raw.',
    });
  }
  if (disks.length > 1) {
    const message = `${name} holds ${disks.length} disks: ${namesOf(disks)}.`;
    throw new ImageError('needs-member', message, {
      hint: `Say which with --member: --member ${JSON.stringify(disk.name)}.`,
    });
  }
  if (disk.member === undefined) throw missing(archive, disk);
  if (members.filter((member) => member.name === disk.name).length > 1) throw twice(archive, disk.name);
  return requireReadable(disk.member);
}

/** In messages; the listing has them all. */
const MAX_NAMED = 16;

const namesOf = (disks: readonly ArchiveDisk[]): string =>
  disks
    .slice(0, MAX_NAMED)
    .map(({ name }) => JSON.stringify(name))
    .join(', ') + (disks.length > MAX_NAMED ? ' and more' : '');

function requireReadable(member: ArchiveMember): ArchiveMember {
  const { name, start, obstacle } = member;
  if (obstacle === undefined) return member;
  throw new UnsupportedFeatureError(
    'unsupported-feature',
    `The member ${JSON.stringify(name)} of the archive ${obstacle}.`,
    { fileOffset: start, hint: 'Unpack the archive with tar, and convert what was in it.' },
  );
}

/** Why a disk that the descriptor names is not there. */
function missing({ name, members }: Archive, disk: ArchiveDisk): ImageError {
  const { href, chunkSize } = disk.file ?? { href: disk.name };
  const pieces = members.filter(
    (member) => member.name.startsWith(`${href}.`) && /\.\d{9}$/.test(member.name),
  );
  if (pieces.length > 0 || chunkSize !== undefined) {
    return new UnsupportedFeatureError(
      'unsupported-feature',
      `${JSON.stringify(href)} of ${name} is cut into ${pieces.length} files, which is not supported.`,
      { hint: `Unpack the archive with tar, and join them: cat ${href}.0* > ${href}.` },
    );
  }
  return new CorruptImageError(
    'truncated',
    `${name} says that it has a disk ${JSON.stringify(href)}, and does not.`,
    { hint: 'The file is probably an incomplete download or copy: fetch it again.' },
  );
}

const twice = ({ name }: Archive, member: string): CorruptImageError =>
  new CorruptImageError('bad-table', `${name} has ${JSON.stringify(member)} more than once.`, {
    hint: 'Unpack the archive with tar, which keeps the last one.',
  });
