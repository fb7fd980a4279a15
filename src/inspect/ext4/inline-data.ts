/** Small files and directories that stand in their inode: the first 60 bytes, and the attribute `system.data`. */

import { corrupt, type Inode } from './inode.ts';

const MAGIC = 0xea020000;
/** Of the names that begin with `system.`. */
const SYSTEM = 7;
const HEADER = 16;

/** What stands behind the first 60 bytes; empty when nothing does. @throws CorruptImageError `bad-table` */
export function inlineRest(inode: Inode): Uint8Array {
  const bytes = inode.attributes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || view.getUint32(0, true) !== MAGIC) return new Uint8Array();
  for (let at = 4; at + HEADER <= bytes.length && view.getUint32(at, true) !== 0; ) {
    const nameLength = view.getUint8(at);
    const name = String.fromCharCode(...bytes.subarray(at + HEADER, at + HEADER + nameLength));
    if (view.getUint8(at + 1) === SYSTEM && name === 'data') {
      // The attribute may also stand in an inode of its own, but then the file has blocks.
      const start = 4 + view.getUint16(at + 2, true);
      const end = start + view.getUint32(at + 8, true);
      if (end > bytes.length || view.getUint32(at + 4, true) !== 0)
        throw corrupt('bad-table', `The data within inode ${inode.number} leads out of it.`);
      return bytes.subarray(start, end);
    }
    at += HEADER + Math.ceil(nameLength / 4) * 4;
  }
  return new Uint8Array();
}
