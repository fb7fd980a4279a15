/** A laid out file as a source: any range of the output, made on demand from the source image. */

import { type ByteSource, requireInside } from '../io/source.ts';
import type { LaidOutFile } from './layout.ts';

/** What a layout source reads guest bytes from. */
export interface GuestBytes {
  readonly virtualSize: number;
  read(into: Uint8Array, guestOffset: number): Promise<void>;
}

export function layoutSource(file: LaidOutFile, guest: GuestBytes, name: string): ByteSource {
  const source: ByteSource = {
    name,
    size: file.size,
    async read(into, fileOffset) {
      requireInside(source, fileOffset, into.length, 'A read');
      for (const piece of file.pieces(fileOffset, fileOffset + into.length)) {
        const part = into.subarray(
          piece.fileOffset - fileOffset,
          piece.fileOffset - fileOffset + piece.length,
        );
        if (piece.kind === 'bytes') part.set(piece.bytes);
        else if (piece.kind === 'zero') part.fill(0);
        else await readGuest(guest, part, piece.guestOffset);
      }
    },
    close: async () => {},
  };
  return source;
}

/** Past the end of the source's disk an enlarged target is zero. */
async function readGuest(guest: GuestBytes, into: Uint8Array, guestOffset: number): Promise<void> {
  const present = Math.max(0, Math.min(into.length, guest.virtualSize - guestOffset));
  if (present > 0) await guest.read(into.subarray(0, present), guestOffset);
  into.fill(0, present);
}
