/** The label of an exFAT volume: an entry of its root directory (exFAT file system specification, 3.1 and 7.3). */

import { KiB } from '../../binary/align.ts';
import type { Volume } from '../volume.ts';
import { bytesOf } from './signature.ts';

const LABEL_ENTRY = 0x83;
const ENTRY_SIZE = 32;

/** The entry stands among the first ones. */
export async function exfatLabel(volume: Volume): Promise<string | undefined> {
  const { view } = bytesOf(await volume.read(0, 512));
  const sectorShift = view.getUint8(108);
  const clusterShift = view.getUint8(109);
  if (sectorShift < 9 || sectorShift > 12 || sectorShift + clusterShift > 25) return undefined;
  const heap = view.getUint32(88, true) * 2 ** sectorShift;
  const root = heap + (view.getUint32(96, true) - 2) * 2 ** (sectorShift + clusterShift);
  const length = Math.min(4 * KiB, 2 ** (sectorShift + clusterShift), volume.size - root);
  if (root < heap || length < ENTRY_SIZE) return undefined;
  const entries = await volume.read(root, length);
  for (let at = 0; at + ENTRY_SIZE <= length && entries[at] !== 0; at += ENTRY_SIZE) {
    if (entries[at] !== LABEL_ENTRY) continue;
    const characters = Math.min(entries[at + 1] as number, 11);
    return new TextDecoder('utf-16le').decode(entries.subarray(at + 2, at + 2 + 2 * characters));
  }
  return undefined;
}
