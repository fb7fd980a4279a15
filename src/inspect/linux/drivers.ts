/** Drivers that a system has when it starts: built into its kernel, or in its initramfs. */

import { BudgetError } from '../../errors.ts';
import type { SystemFacts } from '../contents.ts';
import type { FileTree } from '../file-tree.ts';
import { type Findings, look } from '../findings.ts';
import { findDrivers } from './initramfs.ts';
import { builtInDrivers, initramfsOf, VIRTIO_DRIVERS } from './kernels.ts';

type DriverFacts = Pick<SystemFacts, 'initramfs' | 'isInitramfsPartial' | 'virtioDrivers'>;

/**
 * Of the newest kernel, which is the one that a boot loader takes unless it was told otherwise. An initramfs has tens of
 * MiB: this comes after everything else.
 */
export async function inspectDrivers(
  tree: FileTree,
  { kernels }: Pick<SystemFacts, 'kernels'>,
  findings: Findings,
): Promise<DriverFacts> {
  // Then /boot cannot be read, which has been said.
  if (kernels === undefined) return {};
  const version = kernels.at(-1);
  const found = new Set<string>();
  const builtIn =
    version === undefined
      ? undefined
      : await look(findings, `what is built into the kernel ${version}`, () => builtInDrivers(tree, version));
  for (const driver of builtIn ?? []) found.add(driver);
  const boot = await look(findings, '/boot', () => tree.list('/boot'));
  const name = initramfsOf(boot ?? [], version);
  const sorted = (): string[] => [...found].sort();
  if (name === undefined || found.size === VIRTIO_DRIVERS.length)
    return builtIn === undefined ? {} : { virtioDrivers: sorted() };
  const path = `/boot/${name}`;
  const isWhole = await look(findings, path, async () => {
    const file = await tree.find(path);
    if (file?.kind !== 'file') {
      findings.notLookedAt.push({ what: path, why: 'It is a link to what is not there.' });
      return false;
    }
    try {
      await findDrivers(file, found);
    } catch (error) {
      if (!(error instanceof BudgetError)) throw error;
      const why = `${error.message} Found before: ${sorted().join(', ') || 'none'}.`;
      findings.notLookedAt.push({ what: `the rest of ${path}`, why });
      return false;
    }
    return true;
  });
  if (isWhole === true) return { initramfs: path, virtioDrivers: sorted() };
  // What was found is so; what was not may stand in what was not looked at.
  const drivers = found.size > 0 ? { virtioDrivers: sorted() } : {};
  return { initramfs: path, isInitramfsPartial: true, ...drivers };
}
