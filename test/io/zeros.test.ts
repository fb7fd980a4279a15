import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { dataRuns, firstNonZero, isZero } from '../../src/io/zeros.ts';
import { guestDisk } from '../support/guest-disks.ts';

const runs = { seed: 10, numRuns: 60 };

describe('zeros', () => {
  it('are told from a single byte that is none, wherever it stands', () => {
    for (const length of [1, 2, 7, 8, 4096, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 200_000]) {
      const bytes = new Uint8Array(length + 2).fill(1).subarray(1, -1).fill(0);
      expect([isZero(bytes), firstNonZero(bytes)]).toEqual([true, -1]);
      for (const at of [0, length >> 1, length - 1]) {
        bytes[at] = 1;
        expect([isZero(bytes), firstNonZero(bytes)]).toEqual([false, at]);
        bytes[at] = 0;
      }
    }
    expect(isZero(new Uint8Array(0))).toBe(true);
  });
});

describe('runs of data', () => {
  it('hold all that is not zero, in whole steps, with zeros around them', () =>
    fc.assert(
      fc.property(guestDisk, fc.constantFrom(512, 4096, 64 * KiB), ({ bytes }, step) => {
        let before = 0;
        for (const { start, end } of dataRuns(bytes, step)) {
          expect(start).toBeGreaterThanOrEqual(before);
          expect(end).toBeGreaterThan(start);
          expect(isZero(bytes.subarray(before, start))).toBe(true);
          expect(start % step).toBe(0);
          expect(end % step === 0 || end === bytes.length).toBe(true);
          for (let at = start; at < end; at += step) {
            expect(isZero(bytes.subarray(at, Math.min(at + step, end)))).toBe(false);
          }
          before = end;
        }
        expect(isZero(bytes.subarray(before))).toBe(true);
      }),
      runs,
    ));

  it('never touch', () =>
    fc.assert(
      fc.property(guestDisk, fc.constantFrom(512, 4096), ({ bytes }, step) => {
        const ends = [...dataRuns(bytes, step)];
        expect(ends.every(({ start }, i) => i === 0 || start > (ends[i - 1]?.end as number))).toBe(true);
      }),
      runs,
    ));

  it('are everything with a step of 0', () => {
    expect([...dataRuns(new Uint8Array(10), 0)]).toEqual([{ start: 0, end: 10 }]);
    expect([...dataRuns(new Uint8Array(0), 0)]).toEqual([]);
  });
});
