/** Volumes for the readers of filesystems: files that native tools made, and bytes in memory. */

import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { BudgetError, CorruptImageError } from '../../src/errors.ts';
import type { Volume } from '../../src/inspect/volume.ts';

export interface CountedVolume extends Volume {
  /** Bytes that were read, those that were read twice counted twice. */
  readonly readBytes: number;
  /** Calls. */
  readonly reads: number;
}

/** A volume whose bytes `fill` writes into a buffer; it refuses to read more than `budget` in all. */
function volumeOver(
  size: number,
  budget: number,
  fill: (into: Uint8Array, offset: number) => void,
): CountedVolume {
  let readBytes = 0;
  let reads = 0;
  return {
    size,
    get readBytes() {
      return readBytes;
    },
    get reads() {
      return reads;
    },
    async read(offset, length) {
      if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > size)
        throw new CorruptImageError('bad-reference', `[${offset}, ${offset + length}) of ${size} bytes`);
      readBytes += length;
      reads++;
      if (readBytes > budget) throw new BudgetError('over-budget', `More than ${budget} bytes`);
      const into = new Uint8Array(length);
      fill(into, offset);
      return into;
    },
  };
}

/** Closed when the test ends. */
export function fileVolume(path: string, budget = 16 * 1024 * 1024): CountedVolume {
  const file = openSync(path, 'r');
  onTestFinished(() => closeSync(file));
  return volumeOver(fstatSync(file).size, budget, (into, offset) => {
    readSync(file, into, 0, into.length, offset);
  });
}

export const memoryVolume = (bytes: Uint8Array, budget = 16 * 1024 * 1024): CountedVolume =>
  volumeOver(bytes.length, budget, (into, offset) => into.set(bytes.subarray(offset, offset + into.length)));

export const loadVolume = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
