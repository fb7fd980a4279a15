/** What fills a volume, by the signatures of filesystems and of what holds other volumes. */

import { MiB } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';
import type { Content } from '../contents.ts';
import { fatLabel } from '../fat/index.ts';
import type { Volume } from '../volume.ts';
import { containers } from './containers.ts';
import { exfatLabel } from './exfat-label.ts';
import { filesystems } from './filesystems.ts';
import { ntfsLabel } from './ntfs-label.ts';
import { bytesOf, content, isZero, type Signature } from './signature.ts';

/** The first that answers: what holds others comes first, for their bytes may be those of anything. */
const signatures: readonly Signature[] = [...containers, ...filesystems];

/** Filesystems that keep their labels somewhere else than their superblock. */
const labels: Partial<Record<Content['kind'], (volume: Volume) => Promise<string | undefined>>> = {
  fat12: fatLabel,
  fat16: fatLabel,
  fat32: fatLabel,
  exfat: exfatLabel,
  ntfs: ntfsLabel,
};

/**
 * Labels and UUIDs are as blkid prints them. Reads some 100 KiB.
 * @throws BudgetError `over-budget`; CorruptImageError where a filesystem contradicts itself before its label is found
 */
export async function identify(volume: Volume): Promise<Content> {
  const found = await identifySuperblock(volume);
  const label = await labels[found.kind]?.(volume);
  return label === undefined ? found : { ...found, ...content(found.kind, label, found.uuid) };
}

/** Where all signatures stand but those at the end. */
const NEAR = MiB;

/** What the superblock alone tells. */
export async function identifySuperblock(volume: Volume): Promise<Content> {
  let isEmpty = true;
  let unread: unknown;
  for (const { places, length, decode } of signatures) {
    for (const at of places(volume.size)) {
      if (at < 0 || at >= volume.size) continue;
      // A record that the volume's end cuts off has zeros there.
      const present = await volume.read(at, Math.min(length, volume.size - at)).catch((error) => {
        // The end of a volume may be out of reach when its start is not.
        if (!(error instanceof BudgetError) || at < NEAR) throw error;
        unread = error;
      });
      if (present === undefined) continue;
      const record = new Uint8Array(length);
      record.set(present);
      const found = decode(bytesOf(record));
      if (found !== undefined) return found;
      isEmpty &&= isZero(present);
    }
  }
  if (unread !== undefined) throw unread;
  return { kind: isEmpty ? 'empty' : 'unknown' };
}
