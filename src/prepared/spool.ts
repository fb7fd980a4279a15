/** A temporary file between parts that come in any order and a reader that wants them from the first to the last. */

import { openTemporaryFile } from '../io/file-temp.ts';
import type { Part } from './output.ts';

/** Bytes that are read back from a spool at a time. */
const SPOOL_CHUNK = 1024 * 1024;

/** Parts that come in any order, as bytes from the first to the last. */
export async function* spooled(
  parts: AsyncIterable<Part>,
  requireUnchanged: () => Promise<void>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const file = await openTemporaryFile();
  try {
    let size = 0;
    for await (const part of parts) {
      await file.write(await part.read(), part.start);
      size = Math.max(size, part.start + part.length);
    }
    await requireUnchanged();
    for (let at = 0; at < size; ) {
      const bytes = new Uint8Array(Math.min(SPOOL_CHUNK, size - at));
      const length = await file.read(bytes, at);
      if (length === 0) throw new TypeError('the spool ends early');
      yield bytes.subarray(0, length);
      at += length;
    }
  } finally {
    await file.close();
  }
}
