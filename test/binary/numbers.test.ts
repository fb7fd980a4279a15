import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignDown,
  alignUp,
  ceilDiv,
  GiB,
  isAligned,
  isPowerOfTwo,
  MiB,
  SECTOR,
  TiB,
} from '../../src/binary/align.ts';
import { onesComplementSum } from '../../src/binary/checksum.ts';
import { geometryOf, geometrySize, MAX_GEOMETRY } from '../../src/binary/chs.ts';
import { cursorOver } from '../../src/binary/cursor.ts';

const runs = { seed: 2, numRuns: 300 };
const size = fc.oneof(fc.nat(10 * MiB), fc.nat(10 * TiB));
const unit = fc.integer({ min: 0, max: 40 }).map((bits) => 2 ** bits);

describe('alignment', () => {
  it('goes to the next multiple below or above, also past 2^32', () =>
    fc.assert(
      fc.property(size, unit, (value, step) => {
        const [down, up] = [alignDown(value, step), alignUp(value, step)];
        expect(BigInt(down)).toBe((BigInt(value) / BigInt(step)) * BigInt(step));
        expect(up === value).toBe(isAligned(value, step));
        expect(up - down).toBe(isAligned(value, step) ? 0 : step);
        expect(ceilDiv(value, step)).toBe(up / step);
      }),
      runs,
    ));

  it('knows the powers of two', () => {
    for (let bits = 0; bits <= 53; bits++) expect(isPowerOfTwo(2 ** bits)).toBe(true);
    for (const value of [0, -2, 3, 511, 2 ** 32 + 1, 2 ** 49 + 1, 2 ** 53 - 1, 0.5, Number.NaN]) {
      expect(isPowerOfTwo(value)).toBe(false);
    }
  });
});

describe('the checksum', () => {
  it('is the complement of the sum, without itself', () => {
    expect(onesComplementSum(Uint8Array.of(1, 2, 3, 9, 9, 9, 9, 4), 3)).toBe(~10 >>> 0);
    expect(onesComplementSum(new Uint8Array(512), 64)).toBe(0xffffffff);
  });

  it('does not depend on what stands in its place, and changes with any other byte', () =>
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 64 }), fc.nat(12), fc.nat(), (record, at, n) => {
        const sum = onesComplementSum(record, at);
        const sealed = record.slice();
        new DataView(sealed.buffer).setUint32(at, sum);
        expect(onesComplementSum(sealed, at)).toBe(sum);
        const index = n % record.length;
        const other = record.with(index, (record[index] as number) ^ 1);
        expect(onesComplementSum(other, at) === sum).toBe(index >= at && index < at + 4);
      }),
      runs,
    ));
});

describe('geometries', () => {
  it.each([
    ["the vendor's FAQ", 2_147_991_552, [4162, 16, 63]],
    ['1 GiB, as qemu-img rounds it', GiB, [2080, 16, 63]],
    ['40 GiB', 40 * GiB, [20560, 16, 255]],
    ['a floppy', 1440 * 1024, [42, 4, 17]],
    ['one sector', 512, [0, 4, 17]],
    ['the largest of 63 sectors', 65535 * 16 * 63 * SECTOR - SECTOR, [65534, 16, 63]],
    ['the smallest of 255 sectors', 65535 * 16 * 63 * SECTOR, [16191, 16, 255]],
    ['the largest', geometrySize(MAX_GEOMETRY), [65535, 16, 255]],
    ['everything beyond', 2040 * GiB, [65535, 16, 255]],
  ] as const)('%s', (_, bytes, [cylinders, heads, sectorsPerTrack]) => {
    expect(geometryOf(bytes)).toEqual({ cylinders, heads, sectorsPerTrack });
  });

  it('never exceed the size, and miss it by less than a cylinder', () =>
    fc.assert(
      fc.property(fc.nat(geometrySize(MAX_GEOMETRY)), (bytes) => {
        const geometry = geometryOf(bytes);
        const missing = bytes - geometrySize(geometry);
        expect(missing).toBeGreaterThanOrEqual(0);
        expect(missing).toBeLessThan((geometry.heads * geometry.sectorsPerTrack + 1) * SECTOR);
        expect(geometry.cylinders).toBeLessThanOrEqual(65535);
      }),
      runs,
    ));

  it('grow with the size', () =>
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)];
        const slack = 16 * 255 * SECTOR; // a larger disk may have larger, and so fewer whole, cylinders
        expect(geometrySize(geometryOf(small))).toBeLessThanOrEqual(geometrySize(geometryOf(large)) + slack);
      }),
      runs,
    ));
});

describe('a cursor', () => {
  it('takes a run piece by piece, in place, and nothing past its end', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.nat(12)), (run, lengths) => {
        const cursor = cursorOver(run, 1000);
        for (const length of lengths) {
          const { position, remaining } = cursor;
          expect(position + remaining).toBe(run.length);
          if (length <= remaining) {
            const piece = cursor.take(length, 'A piece');
            expect(piece).toEqual(run.subarray(position, position + length));
            expect(piece.buffer).toBe(run.buffer);
            continue;
          }
          expect(() => cursor.take(length, 'A piece')).toThrow(
            expect.objectContaining({ code: 'truncated', fileOffset: 1000 + position }),
          );
          expect(cursor.position).toBe(position);
        }
      }),
      runs,
    ));
});
