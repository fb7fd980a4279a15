/** Codecs on one thread: blocks as qcow2 has them (64 KiB) and as ZVHD2 has them (2 MiB), text and random. */

import { constants, createDeflateRaw, deflateRawSync } from 'node:zlib';
import { KiB, MiB } from '../../src/binary/align.ts';
import { blockTransform, type TransformSpec } from '../../src/codecs/block-transform.ts';
import { type CodecName, codecOf } from '../../src/codecs/index.ts';
import { contentStream, GRANULE } from '../content.ts';
import { measure } from '../timing.ts';

const qcow2Options = { windowBits: 12, memLevel: 9, level: 6 };

const names: readonly CodecName[] = ['deflate', 'zlib', 'zlib-unfinished', 'deflate-chained', 'zstd'];

/** `text` has the compressible granules of the mix alone. */
function blockOf(kind: 'text' | 'mix', size: number): Uint8Array {
  const mix = new Uint8Array(2 * size);
  contentStream(1).fill(mix);
  if (kind === 'mix' && size > GRANULE) return mix.subarray(0, size);
  const block = new Uint8Array(size);
  for (let at = 0; at < size; at += GRANULE) block.set(mix.subarray(2 * at, 2 * at + GRANULE), at);
  return block;
}

/** What our encoder is there for: node:zlib with the same window and level, its stream kept open from block to block. */
const nodeSpec: TransformSpec = {
  open: () => createDeflateRaw(qcow2Options),
  flush: constants.Z_FINISH,
  restarts: false,
  oneShot: (block) => deflateRawSync(block, qcow2Options),
};
const probe = new Uint8Array(100);
const packByNode = blockTransform(nodeSpec, probe, nodeSpec.oneShot(probe, 100));

for (const name of names) {
  const codec = codecOf(name);
  for (const [kind, size] of [
    ['text', 64 * KiB],
    ['text', 2 * MiB],
    ['mix', 2 * MiB],
  ] as const) {
    const block = blockOf(kind, size);
    const room = new Uint8Array(codec.bound(size));
    const pack = () => codec.pack(block, codec.levels.default, room);
    const packed = room.slice(0, pack());
    const unpacked = new Uint8Array(size);
    const work = { amount: size, unit: 'B' };
    const label = `${kind}, ${size / KiB} KiB to ${Math.round(packed.length / KiB)} KiB`;
    await measure(`${name} pack, ${label}`, work, pack);
    if (name === 'deflate')
      await measure(`${name} pack by node:zlib, ${label}`, work, () => packByNode(block, room));
    await measure(`${name} unpack, ${label}`, work, () => codec.unpack(packed, unpacked));
  }
}
