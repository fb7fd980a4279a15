/** What a Linux system says of itself, by its files. Every part is looked at for itself: one that is broken hides no other. */

import type { SystemFacts } from '../contents.ts';
import type { FileTree } from '../file-tree.ts';
import { type Findings, look } from '../findings.ts';
import { architectureOf } from './architecture.ts';
import { noteRootDevices } from './command-line.ts';
import { fstabDevices, fstabEntries } from './fstab.ts';
import { kernelVersions } from './kernels.ts';
import { networkOf } from './network.ts';
import { assignmentsOf, linesOf, MAX_TEXT, MAX_VALUE } from './text.ts';

const OS_RELEASE = ['/etc/os-release', '/usr/lib/os-release'];

/** Does the tree look like the root of a Linux system? */
export async function isLinuxRoot(tree: FileTree): Promise<boolean> {
  for (const path of [...OS_RELEASE, '/etc/fstab']) {
    if ((await tree.find(path))?.kind === 'file') return true;
  }
  return false;
}

/** What can be told of the system with its root at `tree`, but for its drivers; the rest goes to `findings`. */
export async function inspectLinux(
  tree: FileTree,
  partition: number,
  findings: Findings,
): Promise<SystemFacts> {
  const release = await look(findings, '/etc/os-release', () => releaseOf(tree));
  const architecture = await look(findings, 'the architecture of its programs', () => architectureOf(tree));
  const fstab = await look(findings, '/etc/fstab', () => fstabOf(tree));
  const hasCloudInit = await look(findings, 'cloud-init', () => cloudInitIn(tree, findings));
  const network = await look(findings, 'the setup of the network', () => networkOf(tree));
  const boot = await look(findings, '/boot', () => tree.list('/boot'));
  const kernels = boot === undefined ? undefined : kernelVersions(boot);
  if (boot !== undefined)
    await look(findings, 'what the kernel is started with', () => noteRootDevices(tree, findings));
  return {
    family: 'linux',
    partition,
    ...release,
    ...(architecture === undefined ? {} : { architecture }),
    ...(kernels === undefined ? {} : { kernels }),
    ...(fstab === undefined ? {} : { fstabDevices: fstab }),
    ...(hasCloudInit === undefined ? {} : { hasCloudInit }),
    ...(network === undefined ? {} : { network }),
  };
}

async function releaseOf(tree: FileTree): Promise<Pick<SystemFacts, 'id' | 'versionId' | 'prettyName'>> {
  for (const path of OS_RELEASE) {
    const bytes = await tree.readFile(path, MAX_TEXT);
    if (bytes === undefined) continue;
    const values = assignmentsOf(linesOf(bytes));
    const text = <K extends string>(key: K, name: string): { [P in K]?: string } => {
      const value = values.get(name);
      return value === undefined || value === ''
        ? {}
        : ({ [key]: value.slice(0, MAX_VALUE) } as { [P in K]: string });
    };
    return { ...text('id', 'ID'), ...text('versionId', 'VERSION_ID'), ...text('prettyName', 'PRETTY_NAME') };
  }
  return {};
}

async function fstabOf(tree: FileTree): Promise<SystemFacts['fstabDevices']> {
  const bytes = await tree.readFile('/etc/fstab', MAX_TEXT);
  if (bytes === undefined) return undefined;
  const lines = linesOf(bytes);
  return fstabDevices(fstabEntries(lines), lines);
}

/** Its program is there; a folder of settings stays behind when a package is removed. */
async function cloudInitIn(tree: FileTree, findings: Findings): Promise<boolean> {
  let isThere = false;
  for (const folder of ['/usr/bin', '/bin', '/usr/local/bin'])
    isThere ||= (await tree.find(`${folder}/cloud-init`))?.kind === 'file';
  if (isThere && (await tree.find('/etc/cloud/cloud-init.disabled')) !== undefined) {
    const message = '/etc/cloud/cloud-init.disabled keeps cloud-init from running.';
    findings.notes.push({ code: 'cloud-init-disabled', message, severity: 'warning' });
  }
  return isThere;
}
