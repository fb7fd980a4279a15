/** A fast conversion has to be a right one: compares an output with the disk that it was made from. */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { Programs } from './command.ts';

/** qemu-img's names of the formats that it can compare. */
const foreignNames: Readonly<Record<string, string>> = { raw: 'raw', qcow2: 'qcow2', vhd: 'vpc' };

/**
 * Formats that qemu-img does not know are converted to raw by diskimg first.
 * @throws Error when the guest would see other bytes in `image` than in the raw file `disk`
 */
export function requireSameDisk(programs: Programs, disk: string, image: string, format: string): void {
  const foreign = foreignNames[format];
  if (foreign !== undefined) {
    run(programs, 'qemu-img', ['compare', '-q', '-f', 'raw', '-F', foreign, disk, image]);
    return;
  }
  const rawImage = `${image}.raw`;
  run(programs, 'diskimg', ['convert', '-f', format, '-O', 'raw', '-q', image, rawImage]);
  requireSameDisk(programs, disk, rawImage, 'raw');
  rmSync(rawImage);
}

function run(programs: Programs, name: string, args: readonly string[]): void {
  const [program, ...start] = programs[name] as [string, ...string[]];
  const { status, stdout, stderr } = spawnSync(program, [...start, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The output is wrong: ${name} ${args.join(' ')}: ${stdout}${stderr}`);
}
