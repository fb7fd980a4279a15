/** Our own encoder, checked by zlib's inflate. */

import { readFileSync } from 'node:fs';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compile, compiledFile } from '../../.assembly.ts';
import { KiB, MiB } from '../../src/binary/align.ts';
import {
  type DeflateOptions,
  deflateBlock,
  deflateBound,
  deflateLevels,
} from '../../src/codecs/deflate-encoder/encoder.ts';
import { difference, noise, repeated } from '../support/guest-disks.ts';
import { seededText } from '../support/seeded-guest.ts';

const defaults: DeflateOptions = { level: deflateLevels.default, window: 32 * KiB, end: 'finished' };

function deflated(block: Uint8Array, options: Partial<DeflateOptions> = {}): Uint8Array {
  const room = new Uint8Array(deflateBound(block.length));
  return room.slice(0, deflateBlock(block, room, { ...defaults, ...options }));
}

/** By a reader that has the window, and nothing else of what came before: it gives away 64 bytes at a time. */
const inflated = (payload: Uint8Array, window: number): Uint8Array =>
  inflateRawSync(payload, { windowBits: Math.log2(window), chunkSize: 64 });

function expectRoundTrip(block: Uint8Array, options: Partial<DeflateOptions> = {}): void {
  const { window } = { ...defaults, ...options };
  expect(difference(inflated(deflated(block, options), window), block)).toBeUndefined();
}

/** Pieces one behind the other: new ones, and copies of what stands so many bytes before them. */
function assembled(
  pieces: readonly (readonly [kind: string, length: number, distance: number])[],
): Uint8Array {
  let bytes = Buffer.alloc(0);
  for (const [seed, [kind, length, distance]] of pieces.entries()) {
    if (kind === 'noise') bytes = Buffer.concat([bytes, noise(length, seed)]);
    else if (kind === 'few') bytes = Buffer.concat([bytes, noise(length, seed).map((byte) => byte & 3)]);
    else if (kind === 'one') bytes = Buffer.concat([bytes, Buffer.alloc(length, seed)]);
    else {
      const copy = Buffer.alloc(length);
      for (let i = 0; i < length; i++) {
        const from = bytes.length + i - distance;
        copy[i] = from < 0 ? 0 : ((from < bytes.length ? bytes[from] : copy[i - distance]) as number);
      }
      bytes = Buffer.concat([bytes, copy]);
    }
  }
  return bytes;
}

const around = (...places: readonly number[]): number[] =>
  places.flatMap((place) => [place - 1, place, place + 1]);

const piece = fc.tuple(
  fc.constantFrom('noise', 'few', 'one', 'copy', 'copy'),
  fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(...around(258, 4 * KiB, 8192), 20_000)),
  fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(...around(4 * KiB, 32 * KiB))),
);

const level = fc.integer(deflateLevels);

describe('a deflated block', () => {
  it('is what was deflated, within the window', () =>
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        level,
        fc.constantFrom(512, 4 * KiB, 32 * KiB),
        (pieces, level, window) => expectRoundTrip(assembled(pieces), { level, window }),
      ),
      { seed: 31, numRuns: 200 },
    ));

  it('can be of any length, however short', () => {
    for (let length = 0; length < 40; length++) {
      for (const block of [noise(length, length), repeated(length, 1), new Uint8Array(length)]) {
        for (const level of [1, 6, 9]) expectRoundTrip(block, { level });
      }
    }
  });

  it('can be of noise, longer than what is stored at once', () => {
    for (const length of around(65_535, 65_536, 2 * 65_535, MiB)) {
      const block = noise(length, 1);
      expectRoundTrip(block);
      expect(deflated(block).length).toBeLessThanOrEqual(deflateBound(length));
    }
  });

  it('can need codes that are longer than there may be', () => {
    // Each byte is as frequent as the two before it together: the code of the rarest would have 19 bits.
    const counts = [1, 1];
    while (counts.length < 20) counts.push((counts.at(-1) as number) + (counts.at(-2) as number));
    const sorted = Buffer.concat(counts.map((count, byte) => Buffer.alloc(count, byte)));
    const order = noise(sorted.length * 4, 5);
    const keys = new Uint32Array(order.buffer, order.byteOffset, sorted.length);
    const shuffled = Buffer.from(
      [...sorted.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number)),
    );
    expectRoundTrip(Buffer.from([...shuffled.keys()].map((i) => sorted[i % sorted.length] as number)));
    expectRoundTrip(sorted);
  });

  it('that is open ends on a byte, and is followed by another', () => {
    const blocks = [repeated(5000, 1), noise(70_000, 2), new Uint8Array(0), repeated(100_000, 3)];
    const last = blocks.length - 1;
    const payloads = blocks.map((block, i) => deflated(block, { end: i === last ? 'finished' : 'open' }));
    for (const payload of payloads.slice(0, last)) {
      expect([...payload.subarray(-4)]).toEqual([0, 0, 0xff, 0xff]);
    }
    expect(difference(inflateRawSync(Buffer.concat(payloads)), Buffer.concat(blocks))).toBeUndefined();
  });

  it('has nothing of the blocks before, even when places are counted from the start again', () => {
    const block = seededText(100_000, 1);
    const alone = deflated(block);
    const zeros = new Uint8Array(2 * MiB);
    const room = new Uint8Array(deflateBound(zeros.length));
    // A GiB and a half.
    for (let i = 0; i < 768; i++) {
      deflateBlock(zeros, room, { ...defaults, level: 1 });
      if (i % 96 === 0) expect(difference(deflated(block), alone)).toBeUndefined();
    }
    expect(difference(deflated(block), alone)).toBeUndefined();
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9])('is, at level %i, about as small as from node:zlib', (level) => {
    const block = readFileSync(process.execPath).subarray(20 * MiB, 22 * MiB);
    for (const window of [4 * KiB, 32 * KiB]) {
      const { length } = deflated(block, { level, window });
      const theirs = deflateRawSync(block, { level, windowBits: Math.log2(window), memLevel: 9 });
      expect(length).toBeLessThanOrEqual(theirs.length * 1.01);
      const before = deflated(block, { level: Math.max(level - 1, 1), window });
      expect(length).toBeLessThanOrEqual(before.length * 1.001);
    }
  });
});

describe('the WebAssembly', () => {
  it('is what the compiler makes of its sources', () => {
    expect(readFileSync(compiledFile, 'utf8')).toBe(compile());
  });
});
