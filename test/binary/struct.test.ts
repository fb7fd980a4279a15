import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bits64,
  bytes,
  chars,
  type Field,
  type Struct,
  struct,
  u8,
  u16,
  u32,
  u64,
} from '../../src/binary/struct.ts';

type AnyStruct = Struct<Record<string, Field<unknown>>>;

const isStruct = (value: unknown): value is AnyStruct =>
  typeof value === 'object' && value !== null && 'fields' in value && 'encode' in value;

/** Every record that any format declares. */
async function declaredStructs(): Promise<AnyStruct[]> {
  const folder = fileURLToPath(new URL('../../src/formats/', import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const modules = await Promise.all(files.map((file) => import(`${folder}${file}`)));
  return [...new Set(modules.flatMap((module) => Object.values(module)).filter(isStruct))];
}

const structs = await declaredStructs();

/** Any value that a field can hold. */
function anyValue({ at, size, decode }: Field<unknown>): fc.Arbitrary<unknown> {
  const zero = decode(new DataView(new ArrayBuffer(at + size)), 'big');
  if (typeof zero === 'bigint') return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  if (zero instanceof Uint8Array) return fc.uint8Array({ minLength: size, maxLength: size });
  if (typeof zero === 'number') return fc.nat(Math.min(2 ** (8 * size) - 1, Number.MAX_SAFE_INTEGER));
  const character = fc.nat(0xff).map((code) => String.fromCharCode(code));
  return fc.array(character, { minLength: size, maxLength: size }).map((list) => list.join(''));
}

const recordOf = ({ fields }: AnyStruct) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, anyValue(field)])));

describe('the records of all formats', () => {
  it('are found', () => {
    expect(structs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['VHD footer', 'qcow2 header', 'ZVHD footer', 'ZVHD2 index entry']),
    );
  });

  it.each(structs)('$name: decode undoes encode', (declared) => {
    fc.assert(
      fc.property(recordOf(declared), (record) => {
        const encoded = declared.encode(record);
        expect(encoded).toHaveLength(declared.size);
        expect(declared.decode(encoded, 0)).toEqual(record);
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it.each(structs)('$name: each field is where it says, and nowhere else', (declared) => {
    const zeros = declared.decode(new Uint8Array(declared.size), 0);
    for (const [key, { at, size }] of Object.entries(declared.fields)) {
      const record = new Uint8Array(declared.size);
      record[at + Math.floor(size / 2)] = 1; // in the middle: a safe integer in either order of bytes
      const decoded = declared.decode(record, 0);
      expect(decoded[key]).not.toEqual(zeros[key]);
      expect({ ...decoded, [key]: undefined }).toEqual({ ...zeros, [key]: undefined });
    }
  });

  it.each(structs)('$name: fewer bytes than it has are truncated', (declared) => {
    expect(() => declared.decode(new Uint8Array(declared.size - 1), 77)).toThrow(
      expect.objectContaining({ name: 'CorruptImageError', code: 'truncated', fileOffset: 77 }),
    );
  });
});

describe('struct', () => {
  const pair = (endian: 'big' | 'little') => struct('pair', 14, endian, { a: u16(0), b: u32(2), c: u64(6) });
  const values = { a: 0x0102, b: 0x03040506, c: 0x010203040506 };

  it('writes numbers from their most significant byte, or to it', () => {
    expect([...pair('big').encode(values)]).toEqual([1, 2, 3, 4, 5, 6, 0, 0, 1, 2, 3, 4, 5, 6]);
    expect([...pair('little').encode(values)]).toEqual([2, 1, 6, 5, 4, 3, 6, 5, 4, 3, 2, 1, 0, 0]);
  });

  it('decodes from the middle of a buffer, and ignores what follows', () => {
    const record = pair('big').encode(values);
    const buffer = new Uint8Array(100).fill(0xff);
    buffer.set(record, 11);
    expect(pair('big').decode(buffer.subarray(11), 0)).toEqual(values);
  });

  it('gives copies of bytes, which later changes of the buffer leave alone', () => {
    const blob = struct('blob', 4, 'big', { head: u8(0), rest: bytes(1, 3) });
    const buffer = Uint8Array.of(1, 2, 3, 4);
    const { rest } = blob.decode(buffer, 0);
    buffer.fill(0);
    expect(rest).toEqual(Uint8Array.of(2, 3, 4));
  });

  it('fills up short texts with NUL', () => {
    const text = struct('text', 4, 'big', { word: chars(0, 4) });
    expect(text.decode(text.encode({ word: 'ab' }), 0)).toEqual({ word: 'ab\0\0' });
  });

  it.each([
    ['a gap', 8, { a: u32(0), b: u16(6) }],
    ['an overlap', 6, { a: u32(0), b: u16(3) }],
    ['a field too few', 8, { a: u32(0) }],
    ['a field too many', 4, { a: u32(0), b: u8(4) }],
    ['a late start', 4, { a: u32(4) }],
  ])('refuses a declaration with %s', (_, size, fields) => {
    expect(() => struct('wrong', size, 'big', fields as Record<string, Field<unknown>>)).toThrow(RangeError);
  });

  it('refuses sizes and offsets of 2^53 and more, and takes those below', () => {
    const record = struct('record', 16, 'big', { flags: bits64(0), size: u64(8) });
    const encode = (size: bigint) => {
      const encoded = new Uint8Array(16).fill(0xff);
      new DataView(encoded.buffer).setBigUint64(8, size);
      return encoded;
    };
    expect(record.decode(encode(2n ** 53n - 1n), 0)).toEqual({ flags: 2n ** 64n - 1n, size: 2 ** 53 - 1 });
    for (const size of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(() => record.decode(encode(size), 1000)).toThrow(
        expect.objectContaining({ code: 'bad-header', fileOffset: 1008 }),
      );
    }
  });
});
