import { constants, createDeflateRaw, createZstdCompress, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { blockTransform, type TransformSpec } from '../../src/codecs/block-transform.ts';
import { codecOf } from '../../src/codecs/index.ts';
import { CorruptImageError } from '../../src/index.ts';

const probe = new TextEncoder().encode('one block, one block, one block');
const block = new Uint8Array(65536).map((_, i) => (i * i) >> 8);

const specs: Record<string, TransformSpec> = {
  deflate: {
    open: () => createDeflateRaw({ level: 9 }),
    flush: constants.Z_FINISH,
    restarts: false,
    oneShot: (input) => deflateRawSync(input, { level: 9 }),
  },
  zstd: {
    open: () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
    flush: constants.ZSTD_e_end,
    restarts: true,
    oneShot: (input) => zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: 9 } }),
  },
};

describe.each(Object.entries(specs))('the native stream of %s', (_, spec) => {
  const expected = spec.oneShot(block, 0);
  const pack = (transform: (input: Uint8Array, output: Uint8Array) => number): Uint8Array => {
    const output = new Uint8Array(70000);
    return output.subarray(0, transform(block, output));
  };

  it('is used on this version of Node: the one-shot function is not called', () => {
    const neverOneShot: TransformSpec = {
      ...spec,
      oneShot: () => {
        throw new Error('the one-shot function was called');
      },
    };
    const transform = blockTransform(neverOneShot, probe, spec.oneShot(probe, 0));
    expect(pack(transform)).toEqual(new Uint8Array(expected));
  });

  it('keeps its level from block to block', () => {
    const transform = blockTransform(spec, probe, spec.oneShot(probe, 0));
    for (let round = 0; round < 3; round++) expect(pack(transform)).toEqual(new Uint8Array(expected));
  });

  it('gives way to the one-shot function where it does not do what is expected', () => {
    let calls = 0;
    const counting: TransformSpec = {
      ...spec,
      oneShot: (input, limit) => {
        calls += 1;
        return spec.oneShot(input, limit);
      },
    };
    const transform = blockTransform(counting, probe, new Uint8Array(3));
    expect(pack(transform)).toEqual(new Uint8Array(expected));
    expect(calls).toBe(1);
  });
});

describe.each(['deflate', 'zlib', 'zlib-unfinished', 'deflate-chained', 'zstd'] as const)('%s', (name) => {
  const codec = codecOf(name);

  it('decodes a good block after a bad one', () => {
    const packed = new Uint8Array(codec.bound(block.length));
    const length = codec.pack(block, codec.levels.default, packed);
    const into = new Uint8Array(block.length);
    const damaged = packed.slice(0, length).fill(0xff, 16, length);
    expect(() => codec.unpack(damaged, into)).toThrow(CorruptImageError);
    codec.unpack(packed.subarray(0, length), into);
    expect(into).toEqual(block);
  });
});
