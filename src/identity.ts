/** Where an output's UUID and time come from: chance and the clock, or the content. */

import { createHash, randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type { Identity } from './image/identity.ts';

/** A random UUID (RFC 9562, version 4) and the time of the clock. @param path of the file, where it has one */
export const freshIdentity = (path: string | undefined): Identity => ({
  uuid: Uint8Array.from(Buffer.from(randomUUID().replaceAll('-', ''), 'hex')),
  timestamp: Math.floor(Date.now() / 1000),
  ...(path !== undefined && { fileName: basename(path) }),
});

/** The same for the same content, format and size: a UUID of RFC 9562, version 8, and the time that is given. */
export function contentIdentity(
  digest: Uint8Array,
  format: string,
  virtualSize: number,
  timestamp: number,
): Identity {
  const hash = createHash('sha256').update(`${format}:${virtualSize}:`).update(digest).digest();
  const uuid = new Uint8Array(hash.subarray(0, 16));
  uuid[6] = ((uuid[6] as number) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
  return { uuid, timestamp };
}
