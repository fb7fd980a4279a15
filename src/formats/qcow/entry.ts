/** Entries of the L1 and L2 tables of a QCOW. */

import { CorruptImageError } from '../../errors.ts';
import type { QcowImage } from './header.ts';
import { COMPRESSED, qcowHeader } from './structs.ts';

/** What an entry says of where something is. */
export type Place =
  | { readonly kind: 'none' }
  | { readonly kind: 'plain'; readonly fileOffset: number }
  | { readonly kind: 'packed'; readonly fileOffset: number; readonly storedLength: number };

/** An entry, and what it is for. */
export interface Entry {
  readonly value: bigint;
  readonly what: string;
  /** Bytes that it refers to, unless they are compressed. */
  readonly length: number;
  /** Where the entry stands. */
  readonly fileOffset: number;
  readonly guestOffset: number;
}

/** Why an entry is wrong; the message is made only when it is wanted, for there may be millions. */
export interface BadEntry {
  readonly kind: 'bad';
  readonly code: 'bad-reference' | 'bad-table' | 'truncated';
  readonly message: () => string;
}

/** What an entry says, or what is wrong with it: on the header, past the end of the file, or compressed where it cannot be. */
export function judge(fileSize: number, { header, clusterSize }: QcowImage, entry: Entry): Place | BadEntry {
  const { value, what, length } = entry;
  if (value === 0n) return { kind: 'none' };
  const isPacked = (value & COMPRESSED) !== 0n;
  if (isPacked && what !== 'A cluster') {
    return { kind: 'bad', code: 'bad-table', message: () => `${what} is said to be compressed.` };
  }
  const offsetBits = BigInt(63 - header.clusterBits);
  const offset = Number(isPacked ? value & (2n ** offsetBits - 1n) : value);
  const stored = isPacked ? Number((value - COMPRESSED) >> offsetBits) : length;
  if (isPacked && (stored === 0 || stored >= clusterSize)) {
    const message = () => `A compressed cluster has ${stored} of ${clusterSize} bytes.`;
    return { kind: 'bad', code: 'bad-table', message };
  }
  if (!Number.isSafeInteger(offset) || offset < qcowHeader.size) {
    const message = () => `${what} at byte ${value & (COMPRESSED - 1n)} is no place in the file.`;
    return { kind: 'bad', code: 'bad-reference', message };
  }
  if (offset + stored > fileSize) {
    const message = () =>
      `${what} should end at byte ${offset + stored}, but the file has only ${fileSize} bytes.`;
    return { kind: 'bad', code: 'truncated', message };
  }
  return isPacked
    ? { kind: 'packed', fileOffset: offset, storedLength: stored }
    : { kind: 'plain', fileOffset: offset };
}

/** @throws CorruptImageError for an entry that is wrong */
export function placeOf(fileSize: number, image: QcowImage, entry: Entry): Place {
  const place = judge(fileSize, image, entry);
  if (place.kind !== 'bad') return place;
  const { fileOffset, guestOffset } = entry;
  throw new CorruptImageError(place.code, place.message(), {
    format: 'qcow',
    fileOffset,
    guestOffset,
    ...(place.code === 'truncated' && {
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    }),
  });
}
