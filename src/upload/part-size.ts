/** Into how large parts an upload is cut. */

import { ceilDiv, MiB } from '../binary/align.ts';
import { OptionError } from '../errors.ts';
import { MAX_PART_SIZE, MIN_PART_SIZE } from '../prepared/part-size.ts';
import type { StoreLimits } from './store.ts';

/** Large enough that latency does not count, small enough for memory. */
export const DEFAULT_PART_SIZE = 16 * MiB;

/** The file to be cut; bytes. */
export interface FileSize {
  readonly size: number;
  /** Is the file that long, or is it at most? */
  readonly isExact: boolean;
}

/**
 * The part size that is asked for, or a good one: the default, or as many MiB as are needed for the number of parts that
 * the store takes.
 * @throws OptionError `bad-size` for a file that the store cannot take, `bad-option` for a part size that does not fit
 */
export function choosePartSize(
  { size, isExact }: FileSize,
  limits: StoreLimits,
  asked: number | undefined,
): number {
  const { maxParts, maxObjectSize } = limits;
  const minPartSize = Math.max(limits.minPartSize, MIN_PART_SIZE);
  const maxPartSize = Math.min(limits.maxPartSize, MAX_PART_SIZE);
  if (isExact && size > maxObjectSize) {
    throw new OptionError('bad-size', `The file has ${size} bytes; the store takes ${maxObjectSize}.`, {
      hint: 'Choose a compressed format, or another store.',
    });
  }
  // What is longer than the store takes fails there anyway.
  const needed = ceilDiv(Math.min(size, maxObjectSize), maxParts);
  if (asked === undefined) {
    const partSize = Math.max(DEFAULT_PART_SIZE, minPartSize, ceilDiv(needed, MiB) * MiB);
    return Math.min(partSize, maxPartSize);
  }
  const isPossible = Number.isSafeInteger(asked) && asked >= minPartSize && asked <= maxPartSize;
  if (!isPossible) {
    throw new OptionError('bad-option', `The store does not take parts of ${asked} bytes.`, {
      hint: `Choose from ${minPartSize} to ${maxPartSize}.`,
    });
  }
  if (isExact && asked < needed) {
    throw new OptionError(
      'bad-option',
      `A file of ${size} bytes has more than ${maxParts} parts of ${asked} bytes.`,
      { hint: `Choose ${ceilDiv(needed, MiB) * MiB} or more, or leave the choice to diskimg.` },
    );
  }
  return asked;
}
