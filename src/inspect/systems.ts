/** The systems that are installed on a disk: roots among its filesystems and logical volumes, with what is mounted in them. */

import type { Content, SystemFacts } from './contents.ts';
import { type FileNode, type FileTree, fileTree, type Mount } from './file-tree.ts';
import { openerOf, whyNotRead } from './filesystem.ts';
import { type Findings, look } from './findings.ts';
import { inspectDrivers } from './linux/drivers.ts';
import { type FstabEntry, fstabEntries, wantedBy } from './linux/fstab.ts';
import { inspectLinux, isLinuxRoot } from './linux/index.ts';
import { linesOf, MAX_TEXT } from './linux/text.ts';
import { openLogicalVolumes } from './lvm/index.ts';
import type { Volume } from './volume.ts';

/** A partition, a logical volume, or a disk without a table, and what fills it. */
export interface FoundVolume {
  /** 0 for a disk without a table; of a logical volume, that of its first physical one. */
  readonly partition: number;
  readonly volume: Volume;
  readonly content: Content;
  /** Of a GPT, or `12345678-01` as Linux makes it of an MBR. Any case. */
  readonly partitionUuid?: string | undefined;
  readonly partitionName?: string | undefined;
  /** `group/name`. */
  readonly logicalVolume?: string;
}

/** Where a system's other filesystems may be that hold what is looked at. */
const MOUNT_POINTS = ['/usr', '/boot'];

/** Those that can be told; what is wrong, and what could not be looked at, goes to `findings`. */
export async function inspectSystems(
  volumes: readonly FoundVolume[],
  identify: (volume: Volume) => Promise<Content>,
  findings: Findings,
): Promise<SystemFacts[]> {
  const all = [...volumes, ...(await logicalVolumes(volumes, identify, findings))];
  const roots = new Map<FoundVolume, FileNode>();
  for (const found of all) {
    const root = await openRoot(found, findings);
    if (root !== undefined) roots.set(found, root);
  }
  const systems: { readonly found: FoundVolume; readonly tree: FileTree; readonly facts: SystemFacts }[] = [];
  for (const [found, root] of roots) {
    await at(found, findings, async (here) => {
      const mounts = await look(here, 'its files', async () =>
        (await isLinuxRoot(fileTree(root, []))) ? mountsOf(found, root, roots, here) : undefined,
      );
      if (mounts === undefined) return;
      const tree = fileTree(root, mounts);
      systems.push({ found, tree, facts: await inspectLinux(tree, found.partition, here) });
    });
  }
  // What takes the most reading comes last, so that it takes nothing from the others.
  const whole: SystemFacts[] = [];
  for (const { found, tree, facts } of systems) {
    await at(found, findings, async (here) => {
      whole.push({ ...facts, ...(await inspectDrivers(tree, facts, here)) });
    });
  }
  return whole;
}

async function logicalVolumes(
  volumes: readonly FoundVolume[],
  identify: (volume: Volume) => Promise<Content>,
  findings: Findings,
): Promise<FoundVolume[]> {
  const physical = volumes.filter(({ content }) => content.kind === 'lvm2');
  const opened = await openLogicalVolumes(
    physical.map(({ volume }) => volume),
    findings,
  );
  const found: FoundVolume[] = [];
  for (const { name, volume, first } of opened) {
    const content = await look(findings, `the logical volume ${name}`, () => identify(volume));
    const partition = physical.find((candidate) => candidate.volume === first)?.partition ?? 0;
    if (content !== undefined) found.push({ partition, volume, content, logicalVolume: name });
  }
  return found;
}

async function openRoot(found: FoundVolume, findings: Findings): Promise<FileNode | undefined> {
  const { kind } = found.content;
  const open = openerOf(kind);
  if (open === undefined) {
    const why = whyNotRead(kind);
    if (why !== undefined) findings.notLookedAt.push({ what: nameOf(found), why });
    return undefined;
  }
  const opened = await look(findings, nameOf(found), () => open(found.volume));
  if (opened?.needsRecovery === true) {
    const message = `${nameOf(found)}: the ${kind} filesystem was not unmounted cleanly. What its journal holds was not looked at.`;
    findings.notes.push({ code: 'journal-not-replayed', message, severity: 'info' });
  }
  return opened?.root;
}

async function mountsOf(
  own: FoundVolume,
  root: FileNode,
  roots: ReadonlyMap<FoundVolume, FileNode>,
  findings: Findings,
): Promise<Mount[]> {
  const bytes = await fileTree(root, []).readFile('/etc/fstab', MAX_TEXT);
  return fstabEntries(linesOf(bytes)).flatMap((entry) => {
    const path = entry.mountPoint.replace(/\/+$/, '');
    if (!MOUNT_POINTS.includes(path)) return [];
    const found = [...roots.keys()].find((candidate) => candidate !== own && isMeant(candidate, entry));
    const mounted = found === undefined ? undefined : roots.get(found);
    if (mounted !== undefined) return [{ path, root: mounted }];
    const why = `/etc/fstab mounts ${entry.device} there, and no filesystem of that name is read on this disk.`;
    findings.notLookedAt.push({ what: path, why });
    return [];
  });
}

function isMeant(candidate: FoundVolume, { device }: FstabEntry): boolean {
  const wanted = wantedBy(device);
  switch (wanted?.by) {
    case 'uuid':
      return candidate.content.uuid?.toLowerCase() === wanted.value;
    case 'label':
      return candidate.content.label === wanted.value;
    case 'partuuid':
      return candidate.partitionUuid?.toLowerCase() === wanted.value;
    case 'partlabel':
      return candidate.partitionName === wanted.value;
    case 'number':
      return candidate.logicalVolume === undefined && candidate.partition === Number(wanted.value);
    case 'volume':
      return candidate.logicalVolume === wanted.value;
    default:
      return false;
  }
}

function nameOf({ partition, logicalVolume }: FoundVolume): string {
  if (logicalVolume !== undefined) return `logical volume ${logicalVolume}`;
  return partition === 0 ? 'the disk' : `partition ${partition}`;
}

/** Does `work` with findings of its own, which then go to those of the disk with the name of the volume. */
async function at(
  found: FoundVolume,
  { notes, notLookedAt }: Findings,
  work: (here: Findings) => Promise<void>,
): Promise<void> {
  const where = nameOf(found);
  const here: Findings = { notes: [], notLookedAt: [] };
  await work(here);
  notes.push(...here.notes.map((note) => ({ ...note, message: `${where}: ${note.message}` })));
  notLookedAt.push(...here.notLookedAt.map((entry) => ({ ...entry, what: `${where}: ${entry.what}` })));
}
