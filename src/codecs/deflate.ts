/** Deflate over node:zlib: the raw stream of qcow2, the zlib stream of VMDK, and the unfinished one of ZVHD2. */

import { blockCodec } from './block-codec.ts';
import { nodeZlib } from './node-zlib.ts';

export const deflateLevels = { min: 1, max: 9, default: 6 } as const;

/** Blocks that do not compress are stored in pieces, with some bytes for each. */
export const deflateBound = (blockLength: number): number => blockLength + (blockLength >> 8) + 64;

/** The buffer of a one-shot call: all of the result at once, and never less than zlib takes. */
export const chunkFor = (length: number): number => Math.max(length, 64);

/** qcow2 allows matches no farther back than 4 KiB (QEMU's `docs/interop/qcow2.txt`, "Compressed clusters"). */
const qcow2Window = { windowBits: 12, memLevel: 9 } as const;

export const deflate = blockCodec({
  name: 'deflate',
  levels: deflateLevels,
  bound: deflateBound,
  packingAt(level) {
    const { constants, createDeflateRaw, deflateRawSync } = nodeZlib();
    return {
      open: () => createDeflateRaw({ ...qcow2Window, level }),
      flush: constants.Z_FINISH,
      restarts: false,
      oneShot: (block, limit) => deflateRawSync(block, { ...qcow2Window, level, chunkSize: chunkFor(limit) }),
    };
  },
  unpacking() {
    const { constants, createInflateRaw, inflateRawSync } = nodeZlib();
    return {
      open: () => createInflateRaw(qcow2Window),
      flush: constants.Z_FINISH,
      restarts: false,
      oneShot: (packed, limit) =>
        inflateRawSync(packed, { ...qcow2Window, chunkSize: chunkFor(limit), maxOutputLength: limit }),
    };
  },
});

/** A zlib stream that ends in `flush`. */
const zlibEndingIn = (flush: 'Z_FINISH' | 'Z_SYNC_FLUSH') =>
  blockCodec({
    name: 'zlib',
    levels: deflateLevels,
    bound: deflateBound,
    packingAt(level) {
      const { constants, createDeflate, deflateSync } = nodeZlib();
      const finishFlush = constants[flush];
      return {
        open: () => createDeflate({ level }),
        flush: finishFlush,
        restarts: false,
        oneShot: (block, limit) => deflateSync(block, { level, finishFlush, chunkSize: chunkFor(limit) }),
      };
    },
    unpacking() {
      const { constants, createInflate, inflateSync } = nodeZlib();
      const finishFlush = constants[flush];
      return {
        open: () => createInflate(),
        flush: finishFlush,
        restarts: false,
        oneShot: (packed, limit) =>
          inflateSync(packed, { finishFlush, chunkSize: chunkFor(limit), maxOutputLength: limit }),
      };
    },
  });

export const zlib = zlibEndingIn('Z_FINISH');

export const zlibUnfinished = zlibEndingIn('Z_SYNC_FLUSH');
