/**
 * Binary records, declared once like a page of the specification: name, offset, type and meaning of each field.
 * The declaration must tile the record exactly, so a mistyped offset fails when the module loads.
 */

import { CorruptImageError } from '../errors.ts';

type Endian = 'big' | 'little';

/** One field of a record: `size` bytes at `at`. */
export interface Field<T> {
  readonly at: number;
  readonly size: number;
  decode(view: DataView, endian: Endian): T;
  encode(view: DataView, value: T, endian: Endian): void;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** The decoded form of a {@link Struct}. */
export type Decoded<S extends { readonly fields: Fields }> = Values<S['fields']>;

export interface Struct<F extends Fields> {
  readonly name: string;
  /** Bytes of the encoded record. */
  readonly size: number;
  readonly fields: F;
  /**
   * Decodes the record at the start of `bytes`. `fileOffset` is where those bytes stand, for error messages.
   * @throws CorruptImageError `truncated` when there are fewer bytes than the record has; `bad-header` when a
   * 64-bit size or offset is 2^53 or more, which no file and no disk can have.
   */
  decode(bytes: Uint8Array, fileOffset: number): Values<F>;
  encode(value: Values<F>): Uint8Array;
}

/** Declares a record; throws at once when the fields do not tile `size` bytes without gap or overlap. */
export function struct<const F extends Fields>(
  name: string,
  size: number,
  endian: Endian,
  fields: F,
): Struct<F> {
  requireTiled(name, size, fields);
  return {
    name,
    size,
    fields,
    decode(bytes, fileOffset) {
      if (bytes.length < size) {
        throw new CorruptImageError('truncated', `${name}: expected ${size} bytes, found ${bytes.length}.`, {
          fileOffset,
        });
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      const decoded: Record<string, unknown> = {};
      for (const [key, field] of Object.entries(fields)) {
        decoded[key] = decodeField(name, key, field, view, endian, fileOffset);
      }
      return decoded as Values<F>;
    },
    encode(value) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      for (const [key, field] of Object.entries(fields)) field.encode(view, value[key], endian);
      return bytes;
    },
  };
}

function decodeField(
  record: string,
  key: string,
  field: Field<unknown>,
  view: DataView,
  endian: Endian,
  at: number,
): unknown {
  const value = field.decode(view, endian);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new CorruptImageError('bad-header', `${record}: ${key} is ${value}, which is 2^53 or more.`, {
      fileOffset: at + field.at,
    });
  }
  return value;
}

function requireTiled(name: string, size: number, fields: Fields): void {
  let end = 0;
  for (const [key, field] of Object.entries(fields)) {
    if (field.at !== end) throw new RangeError(`${name}.${key} is declared at ${field.at}, expected ${end}`);
    end += field.size;
  }
  if (end !== size) throw new RangeError(`${name} declares ${end} of ${size} bytes`);
}

export const u8 = (at: number): Field<number> => ({
  at,
  size: 1,
  decode: (view) => view.getUint8(at),
  encode: (view, value) => view.setUint8(at, value),
});

export const u16 = (at: number): Field<number> => ({
  at,
  size: 2,
  decode: (view, endian) => view.getUint16(at, endian === 'little'),
  encode: (view, value, endian) => view.setUint16(at, value, endian === 'little'),
});

export const u32 = (at: number): Field<number> => ({
  at,
  size: 4,
  decode: (view, endian) => view.getUint32(at, endian === 'little'),
  encode: (view, value, endian) => view.setUint32(at, value, endian === 'little'),
});

/** A size or an offset in 64 bits; decoding refuses what is not a safe integer. */
export const u64 = (at: number): Field<number> => ({
  at,
  size: 8,
  decode: (view, endian) => Number(view.getBigUint64(at, endian === 'little')),
  encode: (view, value, endian) => view.setBigUint64(at, BigInt(value), endian === 'little'),
});

/** 64 flag bits, or a 64-bit value of which every bit counts. */
export const bits64 = (at: number): Field<bigint> => ({
  at,
  size: 8,
  decode: (view, endian) => view.getBigUint64(at, endian === 'little'),
  encode: (view, value, endian) => view.setBigUint64(at, value, endian === 'little'),
});

/** `size` bytes as they are (a copy). */
export const bytes = (at: number, size: number): Field<Uint8Array> => ({
  at,
  size,
  decode: (view) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
  encode: (view, value) => new Uint8Array(view.buffer, view.byteOffset + at, size).set(value),
});

/** `size` bytes, one character each (Latin-1), NULs and blanks included. */
export const chars = (at: number, size: number): Field<string> => ({
  at,
  size,
  decode: (view) => String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, size)),
  encode: (view, value) => {
    for (let i = 0; i < size; i++) view.setUint8(at + i, i < value.length ? value.charCodeAt(i) : 0);
  },
});
