/** Signs of Windows, as far as they can be seen without reading NTFS. */

import type { BootFacts, Partition, SystemFacts } from './contents.ts';

const RESERVED = 'e3c9e316-0b5c-4db8-817d-f92df00215ae';
const LOADER = 'efi/microsoft/boot/bootmgfw.efi';

/** A system where something starts Windows and there is a volume that can hold it: the largest one is taken for its root. */
export function signsOfWindows(partitions: readonly Partition[], boot: BootFacts): SystemFacts[] {
  const hasLoader = (boot.vendorLoaders ?? []).some((path) => path.toLowerCase() === LOADER);
  const startsIt = boot.bios === 'windows' && boot.modes.includes('bios');
  const hasReserved = partitions.some(({ type }) => type === RESERVED);
  if (!hasLoader && !startsIt && !(hasReserved && boot.modes.length > 0)) return [];
  const size = ({ start, end }: Partition): number => end - start;
  const [largest] = partitions
    .filter(({ content }) => content.kind === 'ntfs' || content.kind === 'bitlocker')
    .sort((a, b) => size(b) - size(a));
  return largest === undefined ? [] : [{ family: 'windows', partition: largest.number }];
}
