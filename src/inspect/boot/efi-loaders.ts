/** Loaders for UEFI in an EFI system partition: at the fallback path, where firmware looks by itself, and of systems. */

import type { Architecture } from '../contents.ts';
import { type FileNode, fileTree } from '../file-tree.ts';

export interface EfiLoader {
  /** `EFI/debian/shimx64.efi`, as it is written there. */
  readonly path: string;
  /** What machine it is for, by its header; undefined when it is no program for UEFI, or for another machine. */
  readonly architecture: Architecture | undefined;
  readonly isProgram: boolean;
}

export interface EfiLoaders {
  /** Those that firmware starts without being told. */
  readonly fallback: readonly EfiLoader[];
  readonly vendor: readonly EfiLoader[];
}

/** UEFI Specification, "Removable Media Boot Behavior". */
const FALLBACK: Readonly<Record<string, Architecture>> = {
  'BOOTX64.EFI': 'x86',
  'BOOTIA32.EFI': 'ia32',
  'BOOTAA64.EFI': 'arm',
  'BOOTRISCV64.EFI': 'riscv64',
  'BOOTLOONGARCH64.EFI': 'loongarch64',
};

/** `Machine` in the COFF header. */
const MACHINES: Readonly<Record<number, Architecture>> = {
  34404: 'x86', // 0x8664
  332: 'ia32', // 0x14c
  43620: 'arm', // 0xaa64
  20580: 'riscv64', // 0x5064
  25188: 'loongarch64', // 0x6264
};

/** Directories and files that are looked at; a real partition has a dozen. */
const MAX_VISITED = 200;

/** @param root of the partition */
export async function findEfiLoaders(root: FileNode): Promise<EfiLoaders> {
  const tree = fileTree(root, []);
  const fallback: EfiLoader[] = [];
  const vendor: EfiLoader[] = [];
  let visited = 0;
  const visit = async (path: string, depth: number): Promise<void> => {
    for (const name of await tree.list(path)) {
      visited++;
      if (visited > MAX_VISITED) return;
      const below = `${path}/${name}`;
      const node = await tree.find(below);
      if (node?.kind === 'directory' && depth < 3) await visit(below, depth + 1);
      if (node?.kind !== 'file' || !name.toLowerCase().endsWith('.efi')) continue;
      const isFallback = path.toUpperCase() === '/EFI/BOOT' && name.toUpperCase() in FALLBACK;
      (isFallback ? fallback : vendor).push({ path: below.slice(1), ...(await programIn(node)) });
    }
  };
  await visit('/EFI', 1);
  return { fallback, vendor };
}

/** What the name of a fallback loader promises. */
export const promisedBy = (path: string): Architecture | undefined =>
  FALLBACK[(path.split('/').at(-1) ?? '').toUpperCase()];

async function programIn(file: FileNode): Promise<Pick<EfiLoader, 'architecture' | 'isProgram'>> {
  const none = { architecture: undefined, isProgram: false };
  const head = await file.read(0, 64);
  if (head.length < 64 || head[0] !== 0x4d || head[1] !== 0x5a) return none; // MZ
  const at = new DataView(head.buffer, head.byteOffset).getUint32(60, true);
  const header = await file.read(at, 6);
  if (header.length < 6) return none;
  const view = new DataView(header.buffer, header.byteOffset);
  if (view.getUint32(0, true) !== 0x4550) return none; // PE
  return { architecture: MACHINES[view.getUint16(4, true)], isProgram: true };
}
