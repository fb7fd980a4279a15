/** Small files and pipes, read whole. */

import { open } from 'node:fs/promises';
import { ImageIoError } from '../errors.ts';

const CHUNK = 64 * 1024;

/**
 * All bytes of a file, of a pipe or of what else has a name; undefined when it has more than `maxBytes`.
 * @throws ImageIoError `not-found`, `read-failed`
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const failed = (cause: unknown): never => {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new ImageIoError('not-found', `${path} does not exist.`, { cause });
    throw new ImageIoError('read-failed', `${path} cannot be read: ${message}.`, { cause });
  };
  const handle = await open(path, 'r').catch(failed);
  try {
    const chunks: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const chunk = new Uint8Array(CHUNK);
      const { bytesRead } = await handle.read(chunk, 0, CHUNK, null).catch(failed);
      if (bytesRead === 0) return new Uint8Array(Buffer.concat(chunks));
      length += bytesRead;
      if (length > maxBytes) return undefined;
      chunks.push(chunk.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
