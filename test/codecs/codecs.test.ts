import {
  constants,
  deflateRawSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CodecName, codecOf } from '../../src/codecs/index.ts';
import { frameLength } from '../../src/codecs/zstd.ts';
import { CorruptImageError } from '../../src/errors.ts';
import { difference, diskOf, noise, rangeWithin, repeated } from '../support/guest-disks.ts';

const runs = { seed: 3, numRuns: 60 };

const sync = { finishFlush: constants.Z_SYNC_FLUSH };

/** How others decode what each codec packs, and whether the end of a payload can be told from it. */
const codecs: Readonly<
  Record<CodecName, { isFinished: boolean; decode: (payload: Uint8Array) => Uint8Array }>
> = {
  deflate: { isFinished: true, decode: (payload) => inflateRawSync(payload, { windowBits: 12 }) },
  zlib: { isFinished: true, decode: (payload) => inflateSync(payload) },
  'zlib-unfinished': { isFinished: false, decode: (payload) => inflateSync(payload, sync) },
  'deflate-chained': { isFinished: false, decode: (payload) => inflateRawSync(payload, sync) },
  zstd: { isFinished: true, decode: (payload) => zstdDecompressSync(payload) },
};

const names = Object.keys(codecs) as CodecName[];

/** Blocks as clusters have them: something of zeros, text and noise, of any length. */
const block = rangeWithin(70_000).chain(({ from, to }) =>
  fc.tuple(fc.nat(0xffff), fc.constantFrom(1, 512, 4096, 65_536)).map(([seed, size]) =>
    diskOf(Math.max(size, to), [
      { end: from, kind: 'repeat', seed },
      { end: to, kind: 'noise', seed },
    ]).bytes.subarray(0, Math.max(size, to)),
  ),
);

function packed(name: CodecName, bytes: Uint8Array, level = codecOf(name).levels.default): Uint8Array {
  const room = new Uint8Array(codecOf(name).bound(bytes.length));
  return room.slice(0, codecOf(name).pack(bytes, level, room));
}

function unpacked(name: CodecName, payload: Uint8Array, length: number): Uint8Array {
  const into = new Uint8Array(length).fill(0xa5);
  codecOf(name).unpack(payload, into);
  return into;
}

const badData = expect.objectContaining({ name: CorruptImageError.name, code: 'bad-data' });

describe.each(names)('%s', (name) => {
  const { isFinished, decode } = codecs[name];
  const { levels } = codecOf(name);

  it('unpacks what it packs, at any level, and so does everyone else', () =>
    fc.assert(
      fc.property(block, fc.integer({ min: levels.min, max: levels.max }), (bytes, level) => {
        const payload = packed(name, bytes, level);
        expect(payload.length).toBeGreaterThan(0);
        expect(difference(unpacked(name, payload, bytes.length), bytes)).toBeUndefined();
        expect(difference(decode(payload), bytes)).toBeUndefined();
      }),
      { ...runs, numRuns: 40 },
    ));

  it('has room for the worst of blocks', () => {
    for (const length of [1, 511, 512, 4096, 65_536, 2 ** 21]) {
      expect(packed(name, noise(length, 1), levels.min).length).toBeLessThanOrEqual(
        codecOf(name).bound(length),
      );
    }
  });

  it('remembers nothing of the blocks before', () =>
    fc.assert(
      fc.property(block, block, (bytes, before) => {
        const first = packed(name, bytes);
        const other = packed(name, before);
        expect(difference(packed(name, bytes), first)).toBeUndefined();
        unpacked(name, other, before.length);
        expect(difference(unpacked(name, first, bytes.length), bytes)).toBeUndefined();
      }),
      runs,
    ));

  it('remembers nothing of the failures before', () =>
    fc.assert(
      fc.property(block, fc.uint8Array({ minLength: 1 }), (bytes, garbage) => {
        const payload = packed(name, bytes);
        expect(() => unpacked(name, payload.subarray(0, payload.length >> 1), bytes.length + 1)).toThrow(
          badData,
        );
        try {
          unpacked(name, garbage, 100);
        } catch (error) {
          expect(error).toEqual(badData);
        }
        expect(difference(unpacked(name, payload, bytes.length), bytes)).toBeUndefined();
      }),
      runs,
    ));

  it('refuses a block that is longer or shorter than expected', () =>
    fc.assert(
      fc.property(block, fc.integer({ min: 1, max: 5000 }), (bytes, off) => {
        const payload = packed(name, bytes);
        expect(() => unpacked(name, payload, bytes.length + off)).toThrow(badData);
        const less = Math.max(bytes.length - off, 1);
        if (less < bytes.length) expect(() => unpacked(name, payload, less)).toThrow(badData);
      }),
      runs,
    ));

  it('refuses payloads that end too early', () =>
    fc.assert(
      fc.property(block, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (bytes, share) => {
        const payload = packed(name, bytes);
        // Behind an unfinished payload's data stands an empty block of 5 bytes, which nobody misses.
        const needed = isFinished ? payload.length : Math.max(payload.length - 6, 1);
        const cut = payload.subarray(0, Math.floor(needed * share));
        expect(() => unpacked(name, cut, bytes.length)).toThrow(badData);
      }),
      runs,
    ));

  it('answers nonsense with bad-data, or with a block', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 300 }), (garbage, length) => {
        const outcome = (() => {
          try {
            return unpacked(name, garbage, length);
          } catch (error) {
            return error;
          }
        })();
        if (outcome instanceof Uint8Array) expect(outcome).toHaveLength(length);
        else expect(outcome).toEqual(badData);
      }),
      { ...runs, numRuns: 300 },
    ));
});

describe.each(names.filter((name) => codecs[name].isFinished))('%s', (name) => {
  it('does not mind what follows its payload', () =>
    fc.assert(
      fc.property(block, fc.uint8Array({ maxLength: 600 }), (bytes, garbage) => {
        const payload = packed(name, bytes);
        for (const behind of [garbage, payload, new Uint8Array(511)]) {
          const followed = Buffer.concat([payload, behind]);
          expect(difference(unpacked(name, followed, bytes.length), bytes)).toBeUndefined();
        }
      }),
      runs,
    ));
});

describe('deflate', () => {
  it('keeps within the 4 KiB window of qcow2', () => {
    const far = Buffer.concat([noise(8192, 1), noise(8192, 1)]);
    expect(packed('deflate', far).length).toBeGreaterThan(16_000);
    const wide = deflateRawSync(far);
    expect(wide.length).toBeLessThan(9000);
  });
});

describe('the length of a zstd frame', () => {
  const block = repeated(5000, 1);

  it('is that of what node:zlib makes, with and without checksum and content size', () => {
    const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag, ZSTD_c_compressionLevel } = constants;
    for (const bytes of [block, noise(300_000, 2), repeated(300_000, 3), new Uint8Array(200_000)]) {
      for (const flags of [0, 1, 2, 3]) {
        const params = {
          [ZSTD_c_checksumFlag]: flags & 1,
          [ZSTD_c_contentSizeFlag]: flags >> 1,
          [ZSTD_c_compressionLevel]: 1,
        };
        for (const options of [{ params }, { params, pledgedSrcSize: bytes.length }]) {
          const frame = zstdCompressSync(bytes, options);
          expect(frameLength(frame)).toBe(frame.length);
          expect(frameLength(Buffer.concat([frame, frame.subarray(0, 100)]))).toBe(frame.length);
          expect(difference(unpacked('zstd', frame, bytes.length), bytes)).toBeUndefined();
        }
      }
    }
  });

  it('does not exist for less than a frame, or for something else', () => {
    const frame = zstdCompressSync(block);
    for (let length = 0; length < frame.length; length++) {
      expect(() => frameLength(frame.subarray(0, length))).toThrow(badData);
    }
    expect(() => frameLength(frame.subarray(1))).toThrow(badData);
    expect(() => frameLength(new Uint8Array(100))).toThrow(badData);
  });

  /** A frame of one raw block, with the window of 2^log bytes that its header asks for. */
  const frameWithWindow = (log: number) =>
    Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) * 8, (4 << 3) | 1, 0, 0, 1, 2, 3, 4);

  it('is bounded by a window of 128 MiB, over which nothing is unpacked', () => {
    expect(unpacked('zstd', frameWithWindow(27), 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
    for (const log of [28, 31, 41]) expect(() => unpacked('zstd', frameWithWindow(log), 4)).toThrow(badData);
  });
});
