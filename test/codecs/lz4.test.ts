/** LZ4 blocks: what lz4 itself packs, and what nobody packs. */

import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unpackLz4Block } from '../../src/codecs/lz4.ts';
import { CorruptImageError } from '../../src/errors.ts';
import { describeWith } from '../support/native-tools.ts';

/** The blocks of a legacy frame: a magic number, then each behind its length. */
function blocksOf(bytes: Uint8Array): Uint8Array[] {
  const frame = execFileSync('lz4', ['-l', '-9', '-c'], { input: bytes, maxBuffer: 2 ** 26 });
  const blocks: Uint8Array[] = [];
  for (let at = 4; at < frame.length; ) {
    const length = frame.readUInt32LE(at);
    blocks.push(frame.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return blocks;
}

function unpacked(block: Uint8Array, size: number): Uint8Array {
  const into = new Uint8Array(size);
  return into.subarray(0, unpackLz4Block(block, into));
}

describeWith(['lz4'], 'a block that lz4 packed', () => {
  it('unpacks to what it was', () => {
    const text = new TextEncoder().encode('abcabcabcabcabcabc and so on, '.repeat(3000));
    const mixed = Uint8Array.from({ length: 200_000 }, (_, i) => (i % 1000 < 500 ? (i * i) >> 3 : 7));
    for (const bytes of [new Uint8Array([1]), new Uint8Array(300_000), text, mixed]) {
      const [block = new Uint8Array()] = blocksOf(bytes);
      expect(Buffer.compare(unpacked(block, bytes.length), bytes)).toBe(0);
      expect(() => unpacked(block, bytes.length - 1)).toThrow(CorruptImageError);
    }
  });

  it('is an error when it is cut off, unless at an end of literals', () => {
    const bytes = Uint8Array.from({ length: 2000 }, (_, i) => (i % 100) * (i % 7));
    const [block = new Uint8Array()] = blocksOf(bytes);
    for (let length = 0; length < block.length; length++) {
      try {
        expect(unpacked(block.subarray(0, length), 2000).length).toBeLessThan(2000);
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad-data' });
      }
    }
  });
});

describe('any bytes', () => {
  it('unpack within their bounds, or are an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const guarded = new Uint8Array(1200).fill(0xee);
        try {
          unpackLz4Block(bytes, guarded.subarray(100, 1100));
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-data' });
        }
        expect([...guarded.subarray(0, 100), ...guarded.subarray(1100)].every((byte) => byte === 0xee)).toBe(
          true,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('are errors where the specification leaves nothing else', () => {
    const cases: readonly (readonly [string, readonly number[]])[] = [
      ['nothing at all', []],
      ['literals that are not there', [0x30, 1, 2]],
      ['a length without end', [0xf0, 255, 255]],
      ['half an offset', [0x10, 1, 1]],
      ['an offset of nothing', [0x10, 1, 0, 0, 0x00]],
      ['a match before the start', [0x10, 1, 2, 0, 0x00]],
    ];
    for (const [what, bytes] of cases)
      expect(() => unpacked(new Uint8Array(bytes), 100), what).toThrow(
        expect.objectContaining({ code: 'bad-data' }),
      );
    expect(unpacked(new Uint8Array([0x10, 7, 1, 0, 0x00]), 100)).toEqual(new Uint8Array(5).fill(7));
  });
});
