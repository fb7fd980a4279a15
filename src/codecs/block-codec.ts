/** A codec that unpacks with a stream of node:zlib, which is opened when first used, once for each thread. */

import { type BlockTransform, blockTransform, type TransformSpec } from './block-transform.ts';
import type { Codec } from './codec.ts';
import { unpackExactly } from './unpack.ts';

export interface BlockCodecSpec extends Omit<Codec, 'unpack'> {
  /** What errors call it. */
  readonly name: string;
  readonly unpacking: () => TransformSpec;
  /** The payload without the bytes behind it, where the stream cannot tell. @throws CorruptImageError `bad-data` */
  readonly trim?: (packed: Uint8Array) => Uint8Array;
}

/** What the streams are tried with. */
export const PROBE = new TextEncoder().encode('diskimg diskimg diskimg');

export function blockCodec({ name, levels, bound, pack, unpacking, trim }: BlockCodecSpec): Codec {
  let unpacker: BlockTransform | undefined;

  function openUnpacker(): BlockTransform {
    const room = new Uint8Array(bound(PROBE.length));
    return blockTransform(unpacking(), room.subarray(0, pack(PROBE, levels.default, room)), PROBE);
  }

  return {
    levels,
    bound,
    pack,
    unpack(packed, into) {
      unpacker ??= openUnpacker();
      unpackExactly(unpacker, name, trim ? trim(packed) : packed, into);
    },
  };
}
