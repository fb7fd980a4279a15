/** Cylinders, heads and sectors: the geometry in VHD, ZVHD and ZVHD2 footers. */

import { SECTOR } from './align.ts';

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/** The largest geometry; disks beyond it all carry this one, and their size is what another field says. */
export const MAX_GEOMETRY: Geometry = { cylinders: 65535, heads: 16, sectorsPerTrack: 255 };

/** Bytes that a geometry addresses. */
export const geometrySize = ({ cylinders, heads, sectorsPerTrack }: Geometry): number =>
  cylinders * heads * sectorsPerTrack * SECTOR;

/** The geometry for a size in bytes, never larger than it (VHD specification, "Appendix: CHS Calculation"). */
export function geometryOf(size: number): Geometry {
  const totalSectors = Math.min(Math.floor(size / SECTOR), geometrySize(MAX_GEOMETRY) / SECTOR);
  if (totalSectors >= 65535 * 16 * 63) return geometry(totalSectors, 16, 255);

  const by17 = Math.floor(totalSectors / 17);
  const heads = Math.max(Math.floor((by17 + 1023) / 1024), 4);
  if (heads <= 16 && by17 < heads * 1024) return geometry(totalSectors, heads, 17);

  const by31 = Math.floor(totalSectors / 31);
  if (by31 < 16 * 1024) return geometry(totalSectors, 16, 31);
  return geometry(totalSectors, 16, 63);
}

const geometry = (totalSectors: number, heads: number, sectorsPerTrack: number): Geometry => ({
  cylinders: Math.floor(totalSectors / sectorsPerTrack / heads),
  heads,
  sectorsPerTrack,
});
