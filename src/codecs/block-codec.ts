/** A codec from two streams of node:zlib, which are opened when first used, once for each level and thread. */

import { type BlockTransform, blockTransform, type TransformSpec } from './block-transform.ts';
import type { Codec } from './codec.ts';
import { unpackExactly } from './unpack.ts';

export interface BlockCodecSpec {
  /** What errors call it. */
  readonly name: string;
  readonly levels: Codec['levels'];
  /** Bytes that the payload of a block takes at most. */
  readonly bound: (blockLength: number) => number;
  readonly packingAt: (level: number) => TransformSpec;
  readonly unpacking: () => TransformSpec;
  /** The payload without the bytes behind it, where the stream cannot tell. @throws CorruptImageError `bad-data` */
  readonly trim?: (packed: Uint8Array) => Uint8Array;
}

/** What the streams are tried with. */
const PROBE = new TextEncoder().encode('diskimg diskimg diskimg');

export function blockCodec({ name, levels, bound, packingAt, unpacking, trim }: BlockCodecSpec): Codec {
  const packers = new Map<number, BlockTransform>();
  let unpacker: BlockTransform | undefined;

  function openPacker(level: number): BlockTransform {
    const spec = packingAt(level);
    const packer = blockTransform(spec, PROBE, spec.oneShot(PROBE, bound(PROBE.length)));
    packers.set(level, packer);
    return packer;
  }

  const openUnpacker = (): BlockTransform =>
    blockTransform(unpacking(), packingAt(levels.default).oneShot(PROBE, bound(PROBE.length)), PROBE);

  return {
    levels,
    bound,
    pack: (block, level, into) => (packers.get(level) ?? openPacker(level))(block, into),
    unpack(packed, into) {
      unpacker ??= openUnpacker();
      unpackExactly(unpacker, name, trim ? trim(packed) : packed, into);
    },
  };
}
