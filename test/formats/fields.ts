/**
 * Every field of a record, set to every value at which readers have gone wrong before. The values follow from the
 * record's declaration, so that none is forgotten: a field without a row does not compile, and a value without an
 * outcome fails.
 */

import { Buffer } from 'node:buffer';
import { beforeAll, describe, expect, test } from 'vitest';
import { onesComplementSum } from '../../src/binary/checksum.ts';
import { type Decoded, type Field, type Struct, struct } from '../../src/binary/struct.ts';
import { checksumOf } from '../../src/formats/vhdx/structs.ts';
import { type ErrorCode, type FormatName, ImageError, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { type Anatomy, anatomyOf } from '../support/anatomy.ts';
import { diskDigest } from '../support/disk-digest.ts';

/** `same`: reads as before. `other`: reads as another disk, which the image describes without a contradiction. */
export type Outcome = ErrorCode | 'same' | 'other';

/** Numbers first, then what fields of bytes are filled with. */
export type ValueName =
  | '0'
  | '1'
  | 'max'
  | 'max - 1'
  | 'sign bit'
  | 'one more'
  | 'past the end'
  | `on the ${string}`
  | 'zeros'
  | 'ones'
  | 'one bit';

/** One outcome for all values, or all but those named; those are listed by their outcomes. */
export type Row =
  | Outcome
  | ({ readonly [O in Outcome]?: readonly ValueName[] } & { readonly otherwise?: Outcome });

type AnyStruct = Struct<Readonly<Record<string, Field<unknown>>>>;

/** An image, and which of its records are changed: all of that name at once. */
export interface Subject {
  readonly format: FormatName;
  readonly image: () => Uint8Array;
  /** Where the record stands; of records that are kept twice all places. */
  readonly places: (bytes: Buffer, anatomy: Anatomy) => readonly number[];
  /** Structures that a place can be set upon, by name. */
  readonly structures: (bytes: Buffer, anatomy: Anatomy) => Readonly<Record<string, number>>;
  /** Bytes that a 1 in a field of a place stands for, and to which places are aligned. */
  readonly unit: number;
  readonly alignment: number;
  /** What the file that the image names holds. */
  readonly companion?: () => Uint8Array;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly passphrase?: string;
}

/** A test for each field: every value has the outcome of its row. */
export function testFields<S extends AnyStruct>(
  record: S,
  subject: Subject,
  rows: Readonly<Record<keyof Decoded<S> & string, Row>>,
): void {
  describe(record.name, () => {
    let bytes: Buffer;
    let anatomy: Anatomy;
    let before: string;
    beforeAll(async () => {
      bytes = Buffer.from(subject.image());
      anatomy = anatomyOf(bytes, subject.format);
      before = await outcomeOf(bytes, subject, undefined);
    });

    test('every field has a row', () => {
      expect(Object.keys(rows).sort()).toEqual(Object.keys(record.fields).sort());
    });

    test.each(Object.keys(rows))('%s', async (name) => {
      const field = record.fields[name] as Field<unknown>;
      const places = subject.places(bytes, anatomy);
      expect(places.length).toBeGreaterThan(0);
      const found: Record<string, string> = {};
      for (const [value, encoded] of valuesOf(field, bytes, anatomy, places[0] as number, subject)) {
        const poked = Buffer.from(bytes);
        for (const at of places) poked.set(encoded, at + field.at);
        if (name !== 'checksum') seal(poked, anatomy);
        found[value] = await outcomeOf(poked, subject, before);
      }
      const row = rows[name as keyof typeof rows] as Row;
      expect(grouped(found)).toEqual(grouped(expectedOf(row, Object.keys(found))));
    });
  });
}

/** A record of one number, for table entries, which are not declared as records. */
export const tableEntry = (name: string, size: 2 | 4 | 8) => {
  const number: Field<bigint> = {
    at: 0,
    size,
    decode: (view, endian) => decode(new Uint8Array(view.buffer, view.byteOffset, size), endian),
    encode: () => {},
  };
  return struct(name, size, 'big', { entry: number });
};

/** The names of the records that modules declare. */
export const declaredIn = (...modules: readonly object[]): string[] =>
  modules
    .flatMap((module) => Object.values(module))
    .filter(
      (value): value is AnyStruct => typeof value === 'object' && 'fields' in value && 'decode' in value,
    )
    .map(({ name }) => name)
    .sort();

/** What a field is set to. */
function* valuesOf(
  field: Field<unknown>,
  bytes: Buffer,
  anatomy: Anatomy,
  place: number,
  { structures, unit, alignment }: Subject,
): Generator<readonly [ValueName, Uint8Array]> {
  const at = place + field.at;
  const { size } = field;
  const was = bytes.subarray(at, at + size);
  const decoded = field.decode(new DataView(bytes.buffer, bytes.byteOffset + place), anatomy.endian);
  if (typeof decoded !== 'number' && typeof decoded !== 'bigint') {
    yield ['zeros', new Uint8Array(size)];
    yield ['ones', new Uint8Array(size).fill(0xff)];
    yield ['one bit', Uint8Array.from(was, (byte, index) => (index === 0 ? byte ^ 1 : byte))];
    return;
  }
  const max = 2n ** BigInt(size * 8) - 1n;
  const encoded = (value: bigint): Uint8Array => encode(value, size, anatomy.endian);
  yield ['0', encoded(0n)];
  yield ['1', encoded(1n)];
  yield ['max', encoded(max)];
  yield ['max - 1', encoded(max - 1n)];
  yield ['sign bit', encoded(2n ** BigInt(size * 8 - 1))];
  yield ['one more', encoded((decode(was, anatomy.endian) + 1n) & max)];
  if (size < 4) return;
  // A field of 32 bits in a record is no place; in a table of them it is, in units.
  const inUnits = (offset: number): bigint => BigInt(Math.floor(offset / unit));
  yield ['past the end', encoded(inUnits(Math.ceil(bytes.length / alignment) * alignment))];
  for (const [what, offset] of Object.entries(structures(bytes, anatomy))) {
    yield [`on the ${what}`, encoded(inUnits(offset))];
  }
}

function decode(bytes: Uint8Array, endian: Anatomy['endian']): bigint {
  const ordered = endian === 'big' ? [...bytes] : [...bytes].reverse();
  return ordered.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

function encode(value: bigint, size: number, endian: Anatomy['endian']): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0, rest = value; index < size; index++, rest >>= 8n) bytes[index] = Number(rest & 0xffn);
  return endian === 'big' ? bytes.reverse() : bytes;
}

/** Computes all checksums again, so that only the poked field is wrong. */
function seal(bytes: Buffer, { seals, endian }: Anatomy): void {
  for (const { kind, at, length, checksumAt } of seals) {
    const record = bytes.subarray(at, at + length);
    const sum = kind === 'crc32c' ? checksumOf(record, checksumAt) : onesComplementSum(record, checksumAt);
    record.set(encode(BigInt(sum), 4, endian), checksumAt);
  }
}

/** What comes of the image when it is opened and all of it is read. @param before the digest of the sound image */
async function outcomeOf(bytes: Buffer, subject: Subject, before: string | undefined): Promise<string> {
  const { format, companion, passphrase, options = {} } = subject;
  const resolve = companion && (() => memorySource(companion()));
  try {
    await using image = await openImage(bytes, {
      ...{ format, options },
      ...(resolve && { resolve }),
      ...(passphrase !== undefined && { passphrase }),
    });
    const digest = await diskDigest(image);
    if (before === undefined) return digest;
    return digest === before ? 'same' : 'other';
  } catch (error) {
    if (!(error instanceof ImageError) || before === undefined) throw error;
    const { code, fileOffset, message } = error;
    // Another file is no place in this one, and neither is an option.
    if (code !== 'bad-chain' && code !== 'bad-option') expect(fileOffset, message).toSatisfy(isPlace);
    expect(message).toMatch(/\.$/);
    return code;
  }
}

const isPlace = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function expectedOf(row: Row, values: readonly string[]): Record<string, string> {
  if (typeof row === 'string') return Object.fromEntries(values.map((value) => [value, row]));
  const { otherwise, ...listed } = row;
  const expected: Record<string, string> = {};
  if (otherwise !== undefined) for (const value of values) expected[value] = otherwise;
  for (const [outcome, names] of Object.entries(listed)) for (const name of names) expected[name] = outcome;
  return expected;
}

/** Values by their outcomes: what a failing test shows, and what can be put into the table. */
function grouped(outcomes: Readonly<Record<string, string>>): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const [value, outcome] of Object.entries(outcomes)) {
    groups[outcome] = [...(groups[outcome] ?? []), value];
  }
  for (const values of Object.values(groups)) values.sort();
  return groups;
}
