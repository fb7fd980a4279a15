/** How a machine starts from an optical disc: the boot catalogue of "El Torito", 1.0, with UEFI's platform 0xEF. */

import type { Volume } from '../volume.ts';

const SECTOR = 2048;
const BOOT_RECORD_AT = 17 * SECTOR;
const CATALOG_AT_FIELD = 71;
const ENTRY = 32;
const UEFI = 0xef;
const BOOTABLE = 0x88;

export interface ElToritoEntry {
  readonly mode: 'bios' | 'uefi';
  /** Byte of the disc at which its image begins. */
  readonly start: number;
}

/** Bootable ones, in the order of the catalogue; none where the disc has no catalogue. */
export async function readElTorito(disc: Volume): Promise<ElToritoEntry[]> {
  if (disc.size < BOOT_RECORD_AT + SECTOR) return [];
  const record = await disc.read(BOOT_RECORD_AT, SECTOR);
  if (!new TextDecoder('latin1').decode(record).startsWith('\0CD001\x01EL TORITO SPECIFICATION')) return [];
  const catalogAt = viewOf(record).getUint32(CATALOG_AT_FIELD, true) * SECTOR;
  if (catalogAt + SECTOR > disc.size) return [];
  return entriesIn(viewOf(await disc.read(catalogAt, SECTOR)));
}

function entriesIn(catalog: DataView): ElToritoEntry[] {
  const isValid = catalog.getUint8(0) === 1 && catalog.getUint16(30, true) === 0xaa55;
  if (!isValid) return [];
  const found: ElToritoEntry[] = [];
  let platform = catalog.getUint8(1);
  let left = 1; // entries of the section
  for (let at = ENTRY; at < SECTOR; at += ENTRY) {
    const id = catalog.getUint8(at);
    if (left > 0) {
      const start = catalog.getUint32(at + 8, true) * SECTOR;
      const mode = platform === UEFI ? 'uefi' : platform === 0 ? 'bios' : undefined;
      if (id === BOOTABLE && mode !== undefined) found.push({ mode, start });
      left--;
    } else if (id === 0x90 || id === 0x91) {
      platform = catalog.getUint8(at + 1);
      left = catalog.getUint16(at + 2, true);
    } else {
      break;
    }
  }
  return found;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
