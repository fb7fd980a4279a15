/**
 * A digest of a target's stored blocks, for output that is the same whenever it is made: UUIDs come from it. The
 * digest is SHA-256 over, for each stored block in guest order, its number as a big-endian 64-bit integer and the
 * SHA-256 of its bytes.
 */

import { nodeCrypto } from '../binary/node-crypto.ts';

/** A block that holds data. */
export interface LoadedBlock {
  readonly block: number;
  readonly bytes: Uint8Array;
}

/** For each stored block of a task, its number and its SHA-256: 40 bytes. */
export type BlockDigests = Uint8Array;

const ENTRY = 40;

export function digestBlocks(blocks: readonly LoadedBlock[]): BlockDigests {
  const digests = new Uint8Array(blocks.length * ENTRY);
  const view = new DataView(digests.buffer);
  blocks.forEach(({ block, bytes }, i) => {
    view.setBigUint64(i * ENTRY, BigInt(block));
    digests.set(nodeCrypto().createHash('sha256').update(bytes).digest(), i * ENTRY + 8);
  });
  return digests;
}

export interface ContentDigest {
  /** Adds the digests of a task; tasks in order. */
  add(digests: BlockDigests): void;
  /** 32 bytes. */
  finish(): Uint8Array;
}

export function contentDigest(): ContentDigest {
  const hash = nodeCrypto().createHash('sha256');
  return { add: (digests) => void hash.update(digests), finish: () => hash.digest() };
}
