/** The command lines with which boot loaders start a kernel: does one look for its root under a name that changes? */

import type { FileTree } from '../file-tree.ts';
import type { Findings } from '../findings.ts';
import { isNamedByMachine } from './fstab.ts';
import { linesOf, MAX_TEXT } from './text.ts';

const FILES = [
  '/boot/grub/grub.cfg',
  '/boot/grub2/grub.cfg',
  '/boot/extlinux/extlinux.conf',
  '/etc/kernel/cmdline',
];
const ENTRIES = '/boot/loader/entries';
/** One per kernel. */
const MAX_ENTRIES = 32;

/** Adds a note `root-by-device` for each file that has such a line, with the first of them. */
export async function noteRootDevices(tree: FileTree, findings: Findings): Promise<void> {
  const entries = (await tree.list(ENTRIES)).filter((name) => name.endsWith('.conf')).slice(0, MAX_ENTRIES);
  for (const path of [...FILES, ...entries.map((name) => `${ENTRIES}/${name}`)]) {
    const lines = linesOf(await tree.readFile(path, MAX_TEXT));
    const devices = lines.map((line) =>
      /^\s*#/.test(line) ? undefined : /(?:^|\s)root=(\/dev\/[^\s"']+)/.exec(line)?.[1],
    );
    const index = devices.findIndex((device) => device !== undefined && isNamedByMachine(device));
    if (index < 0) continue;
    const message = `${path}, line ${index + 1}: Linux looks for its root at ${devices[index]}, which may have another name on another machine.`;
    findings.notes.push({ code: 'root-by-device', message, severity: 'warning' });
  }
}
