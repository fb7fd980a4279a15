/** How a machine starts from a disk: what loaders there are for BIOS and for UEFI, and what keeps them from starting. */

import type { Architecture, BootFacts, Partition } from '../contents.ts';
import { openFat } from '../fat/index.ts';
import { type Findings, look } from '../findings.ts';
import { isBiosBoot, isEfiSystem } from '../partition-types.ts';
import { type Volume, volumePart } from '../volume.ts';
import { type BootCode, bootCodeIn, isLoader, startsActivePartition } from './boot-code.ts';
import { type EfiLoader, type EfiLoaders, findEfiLoaders, promisedBy } from './efi-loaders.ts';
import { type ElToritoEntry, readElTorito } from './el-torito.ts';

/** What is known of a disk before its loaders are looked at. */
export interface BootRequest {
  readonly disk: Volume;
  readonly table: 'none' | 'mbr' | 'gpt' | 'hybrid';
  readonly partitions: readonly Partition[];
  readonly isIso: boolean;
  /** Is the whole disk a FAT filesystem? */
  readonly isFat: boolean;
}

/** Told are `vendorLoaders` at most. */
const MAX_NAMED = 32;

export async function inspectBoot(request: BootRequest, findings: Findings): Promise<BootFacts> {
  const { disk, isIso } = request;
  const disc = isIso ? ((await look(findings, 'the boot catalogue', () => readElTorito(disk))) ?? []) : [];
  const bios = await look(findings, 'the boot code', () => inspectBios(request, disc, findings));
  const efi = await inspectEfi(request, disc, findings);
  const runs = efi.fallback.filter(({ isProgram }) => isProgram);
  const startsBios = bios?.starts ?? false;
  const efiArchitectures = [...runs, ...efi.vendor].flatMap(({ architecture }) => architecture ?? []);
  const architectures: Architecture[] = [...efiArchitectures, ...(startsBios ? (['x86'] as const) : [])];
  // 32-bit firmware starts systems of 64 bits, and their loaders stand beside each other.
  const known = new Set(architectures);
  if (known.has('x86')) known.delete('ia32');
  return {
    bios: bios?.code ?? 'unknown',
    efiLoaders: [...new Set(runs.map(({ path }) => (path.split('/').at(-1) ?? '').toUpperCase()))].sort(),
    ...(efi.vendor.length > 0 && { vendorLoaders: pathsOf(efi.vendor) }),
    modes: [...(startsBios ? (['bios'] as const) : []), ...(runs.length > 0 ? (['uefi'] as const) : [])],
    architectures: [...known].sort(),
  };
}

const pathsOf = (loaders: readonly EfiLoader[]): string[] =>
  [...new Set(loaders.map(({ path }) => path))].sort().slice(0, MAX_NAMED);

async function inspectBios(
  { disk, table, partitions }: BootRequest,
  disc: readonly ElToritoEntry[],
  { notes }: Findings,
): Promise<{ readonly code: BootCode; readonly starts: boolean }> {
  const first = await codeAt(disk, 0);
  const onDisc = disc.find(({ mode }) => mode === 'bios');
  if (onDisc !== undefined) {
    const code = await codeAt(disk, onDisc.start);
    return { code: isLoader(code) ? code : isLoader(first) ? first : 'unknown', starts: true };
  }
  if (table === 'none' || !startsActivePartition(first)) {
    const isGpt = table === 'gpt' || table === 'hybrid';
    if (first === 'grub' && isGpt && !partitions.some(({ type }) => isBiosBoot(type))) {
      const message =
        'GRUB stands in the first sector, but there is no BIOS boot partition for the rest of it.';
      notes.push({ code: 'no-bios-boot-partition', message, severity: 'warning' });
    }
    return { code: first, starts: isLoader(first) };
  }
  const active = partitions.find(({ isActive }) => isActive);
  if (active === undefined) return { code: first, starts: false };
  const own = await codeAt(disk, active.start);
  return { code: isLoader(own) ? own : first, starts: isLoader(own) || (isLoader(first) && own !== 'none') };
}

const CODE_LENGTH = 2048;

async function codeAt(disk: Volume, start: number): Promise<BootCode> {
  const length = Math.min(CODE_LENGTH, disk.size - start);
  if (length < 512) return 'none';
  const bytes = await disk.read(start, length);
  // On a disc the first sector of a loader is longer than on a disk.
  return bootCodeIn(start === 0 ? bytes.subarray(0, 512) : bytes);
}

async function inspectEfi(
  { disk, partitions, isFat }: BootRequest,
  disc: readonly ElToritoEntry[],
  findings: Findings,
): Promise<EfiLoaders> {
  const found: EfiLoaders[] = [];
  const lookIn = async (what: string, volume: Volume): Promise<void> => {
    const loaders = await look(findings, what, async () => findEfiLoaders((await openFat(volume)).root));
    if (loaders !== undefined) found.push(loaders);
  };
  for (const { number, type, start, end, content } of partitions) {
    if (content.kind.startsWith('fat')) {
      await lookIn(`the loaders in partition ${number}`, volumePart(disk, start, end));
    } else if (isEfiSystem(type)) {
      const message = `Partition ${number} is an EFI system partition, but not a FAT filesystem: firmware does not read it.`;
      findings.notes.push({ code: 'efi-partition-not-fat', message, severity: 'warning' });
    }
  }
  if (isFat) await lookIn('the loaders on the disk', disk);
  const onDisc = disc.find(({ mode }) => mode === 'uefi');
  if (onDisc !== undefined)
    await lookIn('the loaders on the disc', volumePart(disk, onDisc.start, disk.size));
  const fallback = found.flatMap((loaders) => loaders.fallback);
  const vendor = found.flatMap((loaders) => loaders.vendor);
  noteLoaders(fallback, vendor, findings);
  return { fallback, vendor };
}

function noteLoaders(
  fallback: readonly EfiLoader[],
  vendor: readonly EfiLoader[],
  { notes }: Findings,
): void {
  for (const { path, architecture, isProgram } of fallback) {
    const promised = promisedBy(path);
    if (isProgram && architecture === promised) continue;
    const message = isProgram
      ? `The loader ${path} is for ${architecture ?? 'another machine'}, but its name says ${promised}.`
      : `The loader ${path} is no program: UEFI does not start it.`;
    notes.push({ code: 'bad-efi-loader', message, severity: 'warning' });
  }
  if (fallback.length === 0 && vendor.some(({ isProgram }) => isProgram)) {
    const message = `There is no loader at UEFI's fallback path (EFI/BOOT): a machine that does not know the disk finds none.`;
    notes.push({ code: 'no-fallback-loader', message, severity: 'warning' });
  }
}
