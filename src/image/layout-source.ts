/** A laid out file as a source: any range of the output, made on demand from the source image. */

import { type ByteSource, requireInside } from '../io/source.ts';
import { type GuestBytes, readPadded } from './guest-bytes.ts';
import type { LaidOutFile } from './layout.ts';

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
        else await readPadded(guest, part, piece.guestOffset);
      }
    },
    close: async () => {},
  };
  return source;
}
