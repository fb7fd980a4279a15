/** How a file is cut into parts. */

import { OptionError } from '../errors.ts';

/** Smaller parts would cost more to ask for than to send. */
export const MIN_PART_SIZE = 64 * 1024;
/** Stores take up to 5 GiB; what is rendered in one piece of memory must be less. */
export const MAX_PART_SIZE = 2 ** 30;

/** @throws OptionError `bad-option` */
export function requirePartSize(partSize: number): number {
  if (Number.isSafeInteger(partSize) && partSize >= MIN_PART_SIZE && partSize <= MAX_PART_SIZE)
    return partSize;
  throw new OptionError('bad-option', `Parts of ${partSize} bytes are not possible.`, {
    hint: `Use ${MIN_PART_SIZE} (64 KiB) to ${MAX_PART_SIZE} (1 GiB).`,
  });
}
