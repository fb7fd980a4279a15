/** How large a disk ZVHD and ZVHD2 can hold. */

import { OptionError } from '../../errors.ts';

/** Block numbers, and sizes of the index in bytes, are 32-bit fields: 2^32 / 16 entries. */
const MAX_BLOCK_COUNT = 2 ** 28;

/** @throws OptionError `bad-size` for a disk of no bytes, or of more blocks than can be numbered */
export function requireBlockNumbers(format: string, virtualSize: number, blockCount: number): void {
  if (virtualSize > 0 && blockCount < MAX_BLOCK_COUNT) return;
  throw new OptionError('bad-size', `A ${format.toUpperCase()} cannot hold a disk of ${virtualSize} bytes.`, {
    format,
    hint: 'It holds 512 bytes to 512 TiB in blocks of 2 MiB.',
  });
}
