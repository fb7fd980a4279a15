import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeVarints, encodeVarints } from '../../src/binary/varint.ts';

describe('varints', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (numbers) => {
        expect([...decodeVarints(encodeVarints(numbers))]).toEqual(numbers);
      }),
    );
  });

  it('take a byte for seven bits', () => {
    expect([...encodeVarints([0, 127, 128, 300])]).toEqual([0, 127, 0x80, 1, 0xac, 2]);
  });

  it.each([[[0x80]], [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]])('%j is damaged', (bytes) => {
    expect(() => [...decodeVarints(Uint8Array.from(bytes))]).toThrow(
      expect.objectContaining({ code: 'bad-data' }),
    );
  });
});
