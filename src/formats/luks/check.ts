/** Checks LUKS 1: the header, and that each slot's key material is a place of its own before the data. */

import { SECTOR } from '../../binary/align.ts';
import { keyMaterialOf } from '../../encryption/luks1.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import { readLuksHeader } from './reader.ts';

export async function checkLuks(
  source: ByteSource,
  { report }: CheckRequest<unknown>,
): Promise<CheckFigures> {
  const header = await report.attempt(() => readLuksHeader(source));
  if (header === undefined) return { imageEndOffset: source.size };
  const dataStart = header.payloadOffset * SECTOR;
  const materials = keyMaterialOf(header).toSorted((a, b) => a.start - b.start);
  for (const [i, { slot, start, end, isEnabled, fileOffset }] of materials.entries()) {
    const next = materials[i + 1];
    if (isEnabled && next?.isEnabled && next.start < end) {
      const message = () => `The key material of slots ${slot} and ${next.slot} overlaps.`;
      report.corruption('overlap', message, { fileOffset: next.fileOffset });
    }
    // A passphrase that is added there would be written over the data.
    if (!isEnabled && end > dataStart) {
      const message = () => `The key material of slot ${slot}, at byte ${start}, would stand on the data.`;
      report.warning('overlap', message, { fileOffset });
    }
  }
  if (!materials.some(({ isEnabled }) => isEnabled)) {
    report.corruption('bad-header', () => 'No key slot is in use: no passphrase opens the disk.', {
      fileOffset: 0,
    });
  }
  if (source.size % SECTOR !== 0) {
    const message = () => `The file ends ${source.size % SECTOR} bytes into a sector.`;
    report.warning('unaligned', message, { fileOffset: source.size });
  }
  return { imageEndOffset: source.size };
}
