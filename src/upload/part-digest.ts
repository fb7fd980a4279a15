/** Digests of parts, as stores want them. */

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { MiB } from '../binary/align.ts';
import { crc32c } from '../binary/crc32c.ts';
import { requireNotAborted } from '../errors.ts';
import type { PartDigestAlgorithm } from './store.ts';

/** So much is digested before others get their turn: some ten milliseconds. */
const TURN = 8 * MiB;

/** In hexadecimal digits. @throws CancelledError */
export async function digestPart(
  algorithm: PartDigestAlgorithm,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<string> {
  const digest = algorithm === 'crc32c' ? crcDigest() : createHash(algorithm);
  for (let at = 0; at < bytes.length; at += TURN) {
    if (at > 0) await setImmediate();
    requireNotAborted(signal);
    digest.update(bytes.subarray(at, at + TURN));
  }
  return digest.digest('hex');
}

function crcDigest() {
  let crc = 0;
  return {
    update(bytes: Uint8Array): void {
      crc = crc32c(bytes, crc);
    },
    digest: (_: 'hex'): string => crc.toString(16).padStart(8, '0'),
  };
}

/** Hexadecimal digits as HTTP headers have them. */
export const toBase64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
