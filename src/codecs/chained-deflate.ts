/**
 * ZVHD's compression: one zlib stream through all stored blocks, each payload ending in a sync flush.
 *
 * A flush leaves the stream on a byte boundary, so every payload is raw deflate of its own that may refer to the
 * 32 KiB before it. Reading gives those as a dictionary. Writing refers to nothing before the block: still one
 * valid stream, a few bytes longer, but blocks can be compressed in any order and on any thread.
 */

import { CorruptImageError } from '../errors.ts';
import { oneShotTransform } from './block-transform.ts';
import { chunkFor, WINDOW, ZLIB_HEADER } from './deflate.ts';
import { nodeZlib } from './node-zlib.ts';
import { unpackExactly } from './unpack.ts';

const inflateBehind = (dictionary: Uint8Array | undefined) => (payload: Uint8Array, limit: number) =>
  nodeZlib().inflateRawSync(payload, {
    finishFlush: nodeZlib().constants.Z_SYNC_FLUSH,
    chunkSize: chunkFor(limit),
    maxOutputLength: limit,
    ...(dictionary && { dictionary }),
  });

/** Decodes the payloads of one stream, in order. */
export interface ChainedInflate {
  /** How many payloads have been decoded. */
  readonly position: number;
  /** Decodes the next payload into all of `into`. @throws CorruptImageError `bad-data` */
  next(payload: Uint8Array, into: Uint8Array): void;
}

export function openChainedInflate(): ChainedInflate {
  let position = 0;
  const window = new Uint8Array(WINDOW);
  return {
    get position() {
      return position;
    },
    next(payload, into) {
      const first = position === 0;
      if (first) requireZlibHeader(payload);
      if (first) inflate(payload.subarray(ZLIB_HEADER.length), into);
      else inflate(payload, into, window);
      window.copyWithin(0, into.length);
      window.set(into.subarray(-WINDOW), Math.max(0, WINDOW - into.length));
      position += 1;
    },
  };
}

function inflate(payload: Uint8Array, into: Uint8Array, dictionary?: Uint8Array): void {
  unpackExactly(oneShotTransform({ oneShot: inflateBehind(dictionary) }), 'deflate', payload, into);
}

function requireZlibHeader(payload: Uint8Array): void {
  const [cmf = 0, flags = 0] = payload;
  const valid = (cmf & 0x0f) === 8 && cmf >> 4 <= 7 && (flags & 0x20) === 0 && (cmf * 256 + flags) % 31 === 0;
  if (!valid) throw new CorruptImageError('bad-data', 'The first payload does not begin with a zlib header.');
}
