/** Deflate over node:zlib: the raw stream of qcow2, the zlib stream of VMDK, and the unfinished one of ZVHD2. */

import {
  constants,
  createDeflate,
  createDeflateRaw,
  createInflate,
  createInflateRaw,
  deflateRawSync,
  deflateSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib';
import { blockCodec } from './block-codec.ts';

const { Z_FINISH, Z_SYNC_FLUSH } = constants;

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
  packAt: (level) => ({
    open: () => createDeflateRaw({ ...qcow2Window, level }),
    flush: Z_FINISH,
    restarts: false,
    oneShot: (block, limit) => deflateRawSync(block, { ...qcow2Window, level, chunkSize: chunkFor(limit) }),
  }),
  unpack: {
    open: () => createInflateRaw(qcow2Window),
    flush: Z_FINISH,
    restarts: false,
    oneShot: (packed, limit) =>
      inflateRawSync(packed, { ...qcow2Window, chunkSize: chunkFor(limit), maxOutputLength: limit }),
  },
});

export const zlib = blockCodec({
  name: 'zlib',
  levels: deflateLevels,
  bound: deflateBound,
  packAt: (level) => ({
    open: () => createDeflate({ level }),
    flush: Z_FINISH,
    restarts: false,
    oneShot: (block, limit) => deflateSync(block, { level, chunkSize: chunkFor(limit) }),
  }),
  unpack: {
    open: () => createInflate(),
    flush: Z_FINISH,
    restarts: false,
    oneShot: (packed, limit) => inflateSync(packed, { chunkSize: chunkFor(limit), maxOutputLength: limit }),
  },
});

export const zlibUnfinished = blockCodec({
  name: 'zlib',
  levels: deflateLevels,
  bound: deflateBound,
  packAt: (level) => ({
    open: () => createDeflate({ level }),
    flush: Z_SYNC_FLUSH,
    restarts: false,
    oneShot: (block, limit) =>
      deflateSync(block, { level, finishFlush: Z_SYNC_FLUSH, chunkSize: chunkFor(limit) }),
  }),
  unpack: {
    open: () => createInflate(),
    flush: Z_SYNC_FLUSH,
    restarts: false,
    oneShot: (packed, limit) =>
      inflateSync(packed, { finishFlush: Z_SYNC_FLUSH, chunkSize: chunkFor(limit), maxOutputLength: limit }),
  },
});
