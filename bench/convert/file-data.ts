/** Reads the parts of a file that hold data: to digest it, and to bring it into the page cache. */

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { alignDown, alignUp, GiB, MiB } from '../../src/binary/align.ts';
import { openFileSource } from '../../src/io/file-source.ts';
import { isZero } from '../../src/io/zeros.ts';
import { GRANULE } from '../content.ts';

const CHUNK = 4 * MiB;
/** Where holes cannot be found, a file larger than this is not read: it would take minutes. */
const MAX_WITHOUT_HOLES = 64 * GiB;

/** The chunks of the file that may hold data, in order; the buffer is reused. */
async function* dataChunks(path: string): AsyncGenerator<{ at: number; bytes: Uint8Array }> {
  const source = await openFileSource(path);
  const { size } = source;
  const ranges = [...(source.dataRanges?.(0, size) ?? wholeFile(size))];
  await source.close();
  const buffer = new Uint8Array(CHUNK);
  const fd = openSync(path, 'r');
  try {
    let done = 0;
    for (const { start, end } of ranges) {
      const to = Math.min(alignUp(end, GRANULE), size);
      for (let at = Math.max(done, alignDown(start, GRANULE)); at < to; ) {
        const length = readSync(fd, buffer, 0, Math.min(CHUNK, to - at), at);
        if (length === 0) throw new Error(`${path} was cut while it was read`);
        yield { at, bytes: buffer.subarray(0, length) };
        at += length;
        done = at;
      }
    }
  } finally {
    closeSync(fd);
  }
}

const wholeFile = (size: number) => (size > MAX_WITHOUT_HOLES ? [] : [{ start: 0, end: size }]);

/** Reads the file once, so that a run that follows finds it in the page cache. */
export async function warmUp(path: string): Promise<void> {
  for await (const _ of dataChunks(path));
}

/** SHA-256 over the granules that are not zero and their places: the same however many holes the file has. */
export async function contentDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const { at, bytes } of dataChunks(path)) {
    for (let from = 0; from < bytes.length; from += GRANULE) {
      const granule = bytes.subarray(from, from + GRANULE);
      if (!isZero(granule)) hash.update(`${at + from}:`).update(granule);
    }
  }
  return hash.digest('hex');
}
