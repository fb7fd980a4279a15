/** Large tables of an image file, read in pieces that are kept for a while: few bytes in memory, however large they are. */

import { type ByteSource, readBytes } from '../io/source.ts';

/** Bytes of a piece. */
const PIECE = 64 * 1024;
/** Pieces that are kept: 4 MiB. */
const MAX_KEPT = 64;

export interface TablePieces {
  /**
   * The bytes of the table from `fileOffset` on: `length` of them, or fewer, at least the 8 of one entry, where a piece ends.
   * @throws CorruptImageError `truncated`
   */
  read(fileOffset: number, length: number): Promise<DataView>;
}

/** @param what the table is called in messages */
export function tablePieces(source: ByteSource, what: string): TablePieces {
  const kept = new Map<number, Uint8Array>();
  return {
    async read(fileOffset, length) {
      const start = fileOffset - (fileOffset % PIECE);
      let piece = kept.get(start);
      if (piece === undefined || fileOffset - start >= piece.length) {
        // What the file does not have is missed by who asks for it.
        const end = Math.max(Math.min(start + PIECE, source.size), fileOffset + 8);
        piece = await readBytes(source, start, end - start, what);
        if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as number);
        kept.set(start, piece);
      }
      const within = fileOffset - start;
      // An entry that the end of a piece cuts is read by itself.
      if (piece.length - within < 8)
        return new DataView((await readBytes(source, fileOffset, 8, what)).buffer);
      return new DataView(piece.buffer, within, Math.min(length, piece.length - within));
    },
  };
}
