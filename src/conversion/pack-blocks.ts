/** The payloads of blocks, as an appender wants them. */

import { codecOf } from '../codecs/index.ts';
import type { Appender } from '../image/appender.ts';
import type { LoadedBlock } from './block-digest.ts';

type Packing = Pick<Appender, 'codec' | 'level' | 'storesIncompressible' | 'unit'>;

/** Bytes in which the payloads of `blockCount` blocks find room, however they compress. */
export const packedBound = ({ codec, unit }: Packing, blockCount: number): number =>
  blockCount * codecOf(codec).bound(unit);

/**
 * The payloads, one behind the other from the start of `room`: compressed, or the block's bytes as they are, where
 * those are no more and the format allows it.
 * @param asIs are such bytes left where they stand, or copied into the room as well?
 */
export function packBlocks(
  { codec: name, level, storesIncompressible, unit }: Packing,
  blocks: readonly LoadedBlock[],
  room: Uint8Array,
  asIs: 'left' | 'copied',
): Uint8Array[] {
  const codec = codecOf(name);
  const bound = codec.bound(unit);
  let used = 0;
  return blocks.map(({ bytes }) => {
    const rest = room.subarray(used, used + bound);
    const packed = codec.pack(bytes, level, rest);
    const isAsIs = storesIncompressible && packed >= bytes.length;
    if (isAsIs && asIs === 'left') return bytes;
    if (isAsIs) rest.set(bytes);
    const length = isAsIs ? bytes.length : packed;
    used += length;
    return rest.subarray(0, length);
  });
}
