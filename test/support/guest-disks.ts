/** Guest disks for properties: runs of zeros, of text and of noise, with ends where blocks of the formats end. */

import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { KiB, MiB } from '../../src/binary/align.ts';

/** A stretch of a disk up to `end`: zeros, the same few bytes again and again, or noise. */
export interface Run {
  readonly end: number;
  readonly kind: 'zero' | 'repeat' | 'noise';
  readonly seed: number;
}

export interface GuestDisk {
  readonly bytes: Uint8Array;
  /** What a failing property prints in place of the bytes. */
  [fc.toStringMethod](): string;
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

export const MAX_DISK = 5 * MiB;

/** Where formats are wont to draw lines. */
const UNITS = [512, 4 * KiB, 64 * KiB, 2 * MiB];

/** An offset at a line, or a byte beside it. */
const nearLine = (max: number): fc.Arbitrary<number> =>
  fc
    .tuple(fc.constantFrom(...UNITS), fc.nat(8), fc.constantFrom(0, 0, -1, 1))
    .map(([unit, count, off]) => Math.min(Math.max(unit * count + off, 0), max));

const offsetUpTo = (max: number): fc.Arbitrary<number> => fc.oneof(nearLine(max), fc.nat(max));

/** A range of a disk of `size` bytes, often one that begins or ends at a line, now and then an empty one. */
export const rangeWithin = (size: number): fc.Arbitrary<Range> =>
  fc
    .tuple(offsetUpTo(size), offsetUpTo(size))
    .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) }));

const runUpTo = (size: number): fc.Arbitrary<Run> =>
  fc.record({
    end: offsetUpTo(size),
    kind: fc.constantFrom('zero', 'repeat', 'noise'),
    seed: fc.nat(0xffff),
  });

const sizeOfDisk: fc.Arbitrary<number> = fc
  .oneof(
    { weight: 4, arbitrary: fc.nat(300 * KiB) },
    { weight: 3, arbitrary: nearLine(MAX_DISK) },
    { weight: 1, arbitrary: fc.nat(MAX_DISK) },
  )
  .map((size) => Math.max(size, 1));

/** Disks of 1 byte to 5 MiB, mostly small ones. */
export const guestDisk: fc.Arbitrary<GuestDisk> = sizeOfDisk.chain((size) =>
  fc.array(runUpTo(size), { maxLength: 8 }).map((runs) => diskOf(size, runs)),
);

/** A disk, and ranges of it. */
export const guestDiskWithRanges: fc.Arbitrary<[GuestDisk, Range[]]> = guestDisk.chain((disk) =>
  fc.tuple(fc.constant(disk), fc.array(rangeWithin(disk.bytes.length), { minLength: 1, maxLength: 6 })),
);

/** The disk that consists of `runs`, each from where the one before it ends; zeros behind them. */
export function diskOf(size: number, runs: readonly Run[]): GuestDisk {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { end, kind, seed } of runs.toSorted((a, b) => a.end - b.end)) {
    const run = bytes.subarray(at, end);
    if (kind === 'repeat') run.set(repeated(run.length, seed));
    if (kind === 'noise') run.set(noise(run.length, seed));
    at = end;
  }
  return { bytes, [fc.toStringMethod]: () => `diskOf(${size}, ${JSON.stringify(runs)})` };
}

/** Bytes that compress well. */
export const repeated = (length: number, seed: number): Uint8Array =>
  Buffer.alloc(length, `block ${seed} of the guest `);

/** Bytes that do not compress; the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed + 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** `bytes`, with zeros behind them up to `size`. */
export function padded(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length === size) return bytes;
  const whole = new Uint8Array(size);
  whole.set(bytes);
  return whole;
}

/** Index of the first byte in which the two differ, or undefined: says more than a diff of 5 MiB, and sooner. */
export function difference(actual: Uint8Array, expected: Uint8Array): number | undefined {
  if (Buffer.compare(actual, expected) === 0) return undefined;
  const length = Math.min(actual.length, expected.length);
  for (let at = 0; at < length; at++) if (actual[at] !== expected[at]) return at;
  return length;
}
