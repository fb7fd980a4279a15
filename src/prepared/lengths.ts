/**
 * Payload lengths, and runs of stored blocks, as short texts for journals and plans: varints in base64.
 *
 *     lengths   n > 0: the payload of the next block has n bytes · 0, count: so many blocks are not stored
 *     runs      blocks that are not stored, blocks that are, and so on in turn
 */

import { Buffer } from 'node:buffer';
import { decodeVarints, encodeVarints } from '../binary/varint.ts';
import { CorruptImageError } from '../errors.ts';
import { type Allocation, type AllocationBits, markStored } from '../image/allocation.ts';

/** The lengths of the blocks [from, to). */
export function encodeLengths(lengths: Uint32Array, from: number, to: number): string {
  function* numbers(): Generator<number> {
    for (let block = from; block < to; ) {
      const length = lengths[block] as number;
      block += 1;
      if (length > 0) {
        yield length;
        continue;
      }
      let count = 1;
      for (; block < to && lengths[block] === 0; block++) count += 1;
      yield 0;
      yield count;
    }
  }
  return Buffer.from(encodeVarints(numbers())).toString('base64');
}

/** What follows each other: blocks that are not stored, or the payload of one that is. */
export type FoundRun = { readonly skipped: number } | { readonly length: number };

/** @throws CorruptImageError `bad-data` */
export function* decodeLengths(text: string): Generator<FoundRun> {
  let isCount = false;
  for (const number of decodeVarints(Buffer.from(text, 'base64'))) {
    if (isCount) yield { skipped: number };
    else if (number > 0) yield { length: number };
    isCount = number === 0 && !isCount;
  }
  if (isCount) throw damaged();
}

export function encodeStored(allocation: Allocation): string {
  function* runs(): Generator<number> {
    let isStored = false;
    let start = 0;
    for (let block = 0; block < allocation.blockCount; block++) {
      if (allocation.has(block) === isStored) continue;
      yield block - start;
      start = block;
      isStored = !isStored;
    }
    yield allocation.blockCount - start;
  }
  return Buffer.from(encodeVarints(runs())).toString('base64');
}

/** Marks the blocks of the runs. @throws CorruptImageError `bad-data` unless they are exactly all blocks */
export function markStoredRuns(text: string, stored: AllocationBits): void {
  let isStored = false;
  let block = 0;
  for (const count of decodeVarints(Buffer.from(text, 'base64'))) {
    if (count > stored.blockCount - block) throw damaged();
    if (isStored) for (let i = 0; i < count; i++) markStored(stored, block + i);
    block += count;
    isStored = !isStored;
  }
  if (block !== stored.blockCount) throw damaged();
}

const damaged = (): CorruptImageError =>
  new CorruptImageError('bad-data', 'What was saved of an earlier run is damaged, or of another output.', {
    hint: 'Begin anew, without it.',
  });
