/** Reads a run of records of varying length without ever passing its end. */

import { CorruptImageError } from '../errors.ts';

export interface Cursor {
  /** Bytes from the start of the run. */
  readonly position: number;
  readonly remaining: number;
  /** The next `length` bytes, in place. @throws CorruptImageError `truncated` when fewer are left. */
  take(length: number, what: string): Uint8Array;
}

/** A cursor over `run`, which stands at `fileOffset`. */
export function cursorOver(run: Uint8Array, fileOffset: number): Cursor {
  let position = 0;
  return {
    get position() {
      return position;
    },
    get remaining() {
      return run.length - position;
    },
    take(length, what) {
      if (length > run.length - position) {
        const message = `${what}: ${length} bytes expected, ${run.length - position} left.`;
        throw new CorruptImageError('truncated', message, { fileOffset: fileOffset + position });
      }
      position += length;
      return run.subarray(position - length, position);
    },
  };
}
