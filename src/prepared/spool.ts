/** A temporary file between parts that come in any order and a reader that wants them from the first to the last. */

import { openTemporaryFile } from '../io/file-temp.ts';
import type { Part } from './output.ts';

/** Bytes that are read back from a spool at a time. */
const SPOOL_CHUNK = 1024 * 1024;

/** A file of which every byte is there. */
export interface Spool {
  /** Bytes. */
  readonly size: number;
  /** The bytes [start, end). */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Removes it. */
  close(): Promise<void>;
}

/** Parts that come in any order, in a temporary file. @throws what reading the source throws; ImageIoError `write-failed` */
export async function spoolParts(
  parts: AsyncIterable<Part>,
  requireUnchanged: () => Promise<void>,
): Promise<Spool> {
  const file = await openTemporaryFile();
  try {
    let size = 0;
    for await (const part of parts) {
      const bytes = await part.read();
      await file.write(bytes, part.start);
      part.release(bytes);
      size = Math.max(size, part.start + part.length);
    }
    await requireUnchanged();
    return {
      size,
      async read(start, end) {
        const bytes = new Uint8Array(end - start);
        for (let done = 0; done < bytes.length; ) {
          const length = await file.read(bytes.subarray(done), start + done);
          if (length === 0) throw new TypeError('the spool ends early');
          done += length;
        }
        return bytes;
      },
      close: file.close,
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Parts that come in any order, as bytes from the first to the last. */
export async function* spooled(
  parts: AsyncIterable<Part>,
  requireUnchanged: () => Promise<void>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { size, read, close } = await spoolParts(parts, requireUnchanged);
  try {
    for (let at = 0; at < size; at += SPOOL_CHUNK) yield await read(at, Math.min(size, at + SPOOL_CHUNK));
  } finally {
    await close();
  }
}
