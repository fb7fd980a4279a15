/** What a result depends on: the machine, and the versions of the programs. Names no host. */

import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { arch, cpus, loadavg, release, type as systemType, totalmem } from 'node:os';
import { GiB } from '../../src/binary/align.ts';

/** Facts in the order in which they are shown. */
export type Facts = readonly (readonly [name: string, value: string])[];

/** Above this load something else is running, and figures are not to be trusted. */
const MAX_LOAD = 0.5;

/** @param folder where the outputs are written; @param root the checkout */
export function machineFacts(folder: string, root: string, commit: string): Facts {
  const processors = cpus();
  return [
    ['date', new Date().toISOString().slice(0, 10)],
    [
      'processor',
      `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} logical cores, ${arch()}`,
    ],
    ['memory', `${(totalmem() / GiB).toFixed(1)} GiB`],
    ['system', `${systemType()} ${release()}`],
    ['filesystem', filesystemOf(folder)],
    ['load before', loadText()],
    ['node', process.version],
    ['qemu-img', firstLine('qemu-img', ['--version']).replace(/^qemu-img version /, '')],
    ['curl', firstLine('curl', ['--version']).replace(/^curl (\S+).*/, '$1')],
    ['diskimg', commit || commitOf(root)],
  ];
}

/** Over the last minute, before this program put load on the machine itself. */
const loadAtStart = loadavg()[0] ?? 0;

export const wasBusy = (): boolean => loadAtStart > MAX_LOAD;

const loadText = (): string => loadAtStart.toFixed(2) + (wasBusy() ? ': **something else was running**' : '');

function commitOf(root: string): string {
  const commit = firstLine('git', ['-C', root, 'rev-parse', '--short=10', 'HEAD']);
  const changes = firstLine('git', ['-C', root, 'status', '--porcelain', '--', 'src', 'package-lock.json']);
  return changes === '' ? commit : `${commit} with local changes`;
}

function filesystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  // GNU stat does not tell ext4 from ext2; df does.
  const { stdout } = spawnSync('df', ['--output=fstype', folder], { encoding: 'utf8' });
  return stdout?.split('\n')[1]?.trim() || `type 0x${type.toString(16)}`;
}

/** The first line that a program prints; empty when it cannot be run. */
function firstLine(program: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(program, [...args], { encoding: 'utf8' });
  return status === 0 ? (stdout.split('\n')[0] ?? '').trim() : '';
}
