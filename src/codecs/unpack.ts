/** What all codecs ask of a payload: that it decodes to exactly one block. */

import { CorruptImageError } from '../errors.ts';
import { type BlockTransform, ResultTooLong } from './block-transform.ts';

/** @throws CorruptImageError `bad-data` unless `packed` decodes to exactly `into.length` bytes */
export function unpackExactly(
  transform: BlockTransform,
  codec: string,
  packed: Uint8Array,
  into: Uint8Array,
): void {
  let length: number;
  try {
    length = transform(packed, into);
  } catch (cause) {
    const what =
      cause instanceof ResultTooLong ? `decodes to more than ${into.length} bytes` : 'does not decode';
    throw new CorruptImageError('bad-data', `A block compressed with ${codec} ${what}.`, { cause });
  }
  if (length !== into.length) {
    const message = `A block compressed with ${codec} decodes to ${length} bytes, expected ${into.length}.`;
    throw new CorruptImageError('bad-data', message);
  }
}
