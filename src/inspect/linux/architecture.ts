/** What machine a system's programs are for, by the header of one of them (ELF, `e_machine`). */

import type { Architecture } from '../contents.ts';
import type { FileTree } from '../file-tree.ts';

const PROGRAMS = ['/bin/sh', '/sbin/init', '/usr/bin/env', '/bin/ls', '/usr/bin/bash'];
const MACHINES: Readonly<Record<number, Architecture>> = {
  3: 'ia32',
  62: 'x86',
  183: 'arm',
  243: 'riscv64',
  258: 'loongarch64',
};

export async function architectureOf(tree: FileTree): Promise<Architecture | undefined> {
  for (const path of PROGRAMS) {
    const head = await tree.readFile(path, 20);
    if (head === undefined || head.length < 20) continue;
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    if (view.getUint32(0) !== 0x7f454c46) continue;
    const isLittle = view.getUint8(5) === 1;
    return isLittle ? MACHINES[view.getUint16(18, true)] : undefined;
  }
  return undefined;
}
