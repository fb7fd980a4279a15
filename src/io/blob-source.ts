/** A `Blob` or a `File` as a source. */

import { ImageIoError } from '../errors.ts';
import { type ByteSource, requireInside } from './source.ts';

export function blobSource(blob: Blob): ByteSource {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob';
  const source: ByteSource = {
    name,
    size: blob.size,
    ...('lastModified' in blob && { revision: `mtime ${Math.floor(Number(blob.lastModified) / 1000)}` }),
    async read(into, fileOffset) {
      requireInside(source, fileOffset, into.length, 'A read');
      const part = blob.slice(fileOffset, fileOffset + into.length);
      const bytes = await part.arrayBuffer().catch((cause: Error) => {
        throw new ImageIoError('read-failed', `${name} cannot be read: ${cause.message}.`, {
          fileOffset,
          cause,
        });
      });
      into.set(new Uint8Array(bytes));
    },
    close: async () => {},
  };
  return source;
}
