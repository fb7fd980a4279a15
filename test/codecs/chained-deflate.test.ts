import { once } from 'node:events';
import { constants, createDeflate, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openChainedInflate } from '../../src/codecs/chained-deflate.ts';
import { ZLIB_HEADER } from '../../src/codecs/deflate.ts';
import { codecOf } from '../../src/codecs/index.ts';
import { difference, noise, repeated } from '../support/guest-disks.ts';

const runs = { seed: 4, numRuns: 40 };

/** Blocks of one stream: lengths around the window of 32 KiB, contents that come again in later blocks. */
const blocks = fc.array(
  fc
    .tuple(fc.constantFrom(1, 100, 4096, 32_767, 32_768, 32_769, 100_000), fc.nat(2), fc.boolean())
    .map(([length, seed, isNoise]) => (isNoise ? noise(length, seed) : repeated(length, seed))),
  { minLength: 1, maxLength: 8 },
);

/** What zlib makes of the blocks when it is flushed behind each of them: the payloads of one stream. */
async function flushedByZlib(list: readonly Uint8Array[], level: number): Promise<Uint8Array[]> {
  const stream = createDeflate({ level });
  const payloads: Uint8Array[] = [];
  for (const block of list) {
    const chunks: Uint8Array[] = [];
    const collect = (chunk: Uint8Array) => chunks.push(chunk);
    stream.on('data', collect);
    stream.write(block);
    await new Promise<void>((resolve) => stream.flush(constants.Z_SYNC_FLUSH, resolve));
    stream.off('data', collect);
    payloads.push(Buffer.concat(chunks));
  }
  stream.resume().end();
  await once(stream, 'close');
  return payloads;
}

/** The same from our codec, which looks back at nothing. */
function packedAlone(list: readonly Uint8Array[]): Uint8Array[] {
  const { bound, levels, pack } = codecOf('deflate-chained');
  return list.map((block, i) => {
    const room = new Uint8Array(bound(block.length));
    const payload = room.slice(0, pack(block, levels.default, room));
    return i === 0 ? Buffer.concat([ZLIB_HEADER, payload]) : payload;
  });
}

function expectDecoded(payloads: readonly Uint8Array[], list: readonly Uint8Array[]): void {
  const chain = openChainedInflate();
  for (const [i, payload] of payloads.entries()) {
    const block = list[i] as Uint8Array;
    const into = new Uint8Array(block.length);
    expect(chain.position).toBe(i);
    chain.next(payload, into);
    expect(difference(into, block)).toBeUndefined();
  }
}

describe('chained inflate', () => {
  it('decodes a stream that zlib has flushed behind each block', () =>
    fc.assert(
      fc.asyncProperty(blocks, fc.constantFrom(1, 6, 9), async (list, level) => {
        expectDecoded(await flushedByZlib(list, level), list);
      }),
      runs,
    ));

  it('decodes what the codec packs block by block', () =>
    fc.assert(
      fc.property(blocks, (list) => expectDecoded(packedAlone(list), list)),
      runs,
    ));

  it('is undisturbed by a payload that does not decode', () => {
    const list = [repeated(50_000, 1), repeated(50_000, 1)];
    const [first, second] = packedAlone(list) as [Uint8Array, Uint8Array];
    const chain = openChainedInflate();
    const into = new Uint8Array(50_000);
    chain.next(first, into);
    for (const wrong of [second.subarray(0, 5), second.map((byte) => byte ^ 0xff)]) {
      expect(() => chain.next(wrong, into)).toThrow(expect.objectContaining({ code: 'bad-data' }));
      expect(chain.position).toBe(1);
    }
    chain.next(second, into);
    expect(difference(into, list[1] as Uint8Array)).toBeUndefined();
  });

  it('wants a zlib header before the first payload', () => {
    const [first] = packedAlone([repeated(1000, 1)]) as [Uint8Array];
    for (const wrong of [first.subarray(2), first.with(0, 0x79), first.with(1, 0xbc), new Uint8Array(0)]) {
      expect(() => openChainedInflate().next(wrong, new Uint8Array(1000))).toThrow(
        expect.objectContaining({ name: 'CorruptImageError', code: 'bad-data' }),
      );
    }
  });
});

describe('payloads packed block by block', () => {
  it('make one zlib stream, as everyone reads it', () =>
    fc.assert(
      fc.property(blocks, (list) => {
        const stream = Buffer.concat(packedAlone(list));
        const decoded = inflateSync(stream, { finishFlush: constants.Z_SYNC_FLUSH });
        expect(difference(decoded, Buffer.concat(list))).toBeUndefined();
      }),
      runs,
    ));
});
