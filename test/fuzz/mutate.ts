/** What may happen to an image: fields set, entries moved, bits flipped, ranges gone, and checksums that hold all the same. */

import { onesComplementSum } from '../../src/binary/checksum.ts';
import { crc32 } from '../../src/binary/crc32.ts';
import { checksumOf } from '../../src/formats/vhdx/structs.ts';
import type { Endian, RecordPlace, Seal, TablePlace } from '../support/anatomy.ts';
import type { Specimen } from './corpus.ts';
import type { Draft } from './draft.ts';
import type { Random } from './random.ts';

/** Beyond this an image is not copied as a whole. */
const MAX_SPLICED = 1024 * 1024;
const MAX_GROWTH = 64 * 1024;

/** Changes the draft one to five times; returns what was done, in words. @param others images to take bytes from */
export function mutate(
  draft: Draft,
  specimen: Specimen,
  others: readonly Specimen[],
  random: Random,
): readonly string[] {
  const done: string[] = [];
  for (let count = 1 + random.below(random.oneIn(2) ? 1 : 5); count > 0; count--) {
    done.push(random.pick(kinds)(draft, specimen, random, others));
  }
  if (!random.oneIn(6)) {
    for (const seal of specimen.anatomy.seals) repair(draft, specimen, seal);
    done.push('sealed');
  }
  return done;
}

type Mutation = (draft: Draft, specimen: Specimen, random: Random, others: readonly Specimen[]) => string;

const field: Mutation = (draft, specimen, random) => {
  const { records, endian } = specimen.anatomy;
  if (records.length === 0) return flip(draft, specimen, random, []);
  const place = random.pick(records);
  const name = random.pick(Object.keys(place.struct.fields));
  const { at, size } = place.struct.fields[name] as { at: number; size: number };
  const value =
    size <= 8
      ? encoded(interesting(draft, specimen, place.at + at, size, random), size, endian)
      : noise(random, random.oneIn(2) ? size : 1 + random.below(size));
  // Formats that keep a record twice compare the two.
  const isMirrored = random.oneIn(2);
  const places = isMirrored ? records.filter(({ struct }) => struct === place.struct) : [place];
  for (const { at: start } of hasMirrors(place) ? places : [place]) draft.write(start + at, value);
  return `${place.what}: ${name} = ${Buffer.from(value.subarray(0, 16)).toString('hex')}`;
};

const hasMirrors = ({ struct }: RecordPlace): boolean => struct.name.endsWith('footer');

const entry: Mutation = (draft, specimen, random) => {
  const tables = specimen.anatomy.tables.filter(({ count }) => count > 0);
  if (tables.length === 0) return field(draft, specimen, random, []);
  const table = random.pick(tables);
  const { at, entrySize } = table;
  const [one, other] = [indexIn(table, random), indexIn(table, random)];
  const bytesOf = (index: number): Uint8Array =>
    draft.bytes.slice(at + index * entrySize, at + (index + 1) * entrySize);
  const what = `${table.what}: entry ${one}`;
  switch (random.below(5)) {
    case 0: {
      const [first, second] = [bytesOf(one), bytesOf(other)];
      draft.write(at + one * entrySize, second);
      draft.write(at + other * entrySize, first);
      return `${what} and ${other} change places`;
    }
    case 1:
      draft.write(at + one * entrySize, bytesOf(other));
      return `${what} is entry ${other}`;
    case 2: {
      const count = 1 + random.below(Math.min(64, table.count));
      for (let index = 0; index < count; index++) draft.write(at + index * entrySize, bytesOf(one));
      return `the first ${count} of ${what}`;
    }
    default: {
      const { endian } = specimen.anatomy;
      const size = entrySize > 8 && random.oneIn(4) ? 4 : Math.min(8, entrySize);
      const within = random.below(Math.max(1, Math.floor(Math.min(entrySize, 16) / size))) * size;
      const start = at + one * entrySize + within;
      let value =
        interesting(draft, specimen, start, size, random) / BigInt(random.oneIn(4) ? 1 : table.unit);
      for (const flag of table.flags) if (random.oneIn(2)) value |= flag;
      draft.write(start, encoded(value, size, endian));
      return `${what} = 0x${BigInt.asUintN(64, value).toString(16)}`;
    }
  }
};

/** Often one of the first, which are in use. */
const indexIn = ({ count }: TablePlace, random: Random): number =>
  random.below(random.oneIn(2) ? Math.min(count, 8) : count);

const flip: Mutation = (draft, specimen, random) => {
  const at = placeIn(draft, specimen, random);
  const bit = 1 << random.below(8);
  draft.write(at, Uint8Array.of((draft.bytes[at] ?? 0) ^ bit));
  return `byte ${at}: bit ${bit} flipped`;
};

const overwrite: Mutation = (draft, specimen, random, others) => {
  const at = placeIn(draft, specimen, random);
  const length = 1 + random.below(random.oneIn(3) ? 4096 : 32);
  if (random.oneIn(3) || others.length === 0) {
    draft.write(
      at,
      random.oneIn(2) ? noise(random, length) : new Uint8Array(length).fill(random.pick([0, 0xff])),
    );
    return `${length} bytes from ${at} overwritten`;
  }
  const other = random.pick(others);
  const from = random.oneIn(2) ? at % other.bytes.length : random.below(other.bytes.length);
  draft.write(at, other.bytes.subarray(from, from + length));
  return `${length} bytes from ${at} are those from ${from} of ${other.name}`;
};

const cut: Mutation = (draft, specimen, random) => {
  if (draft.bytes.length > MAX_SPLICED) return truncate(draft, specimen, random, []);
  const start = placeIn(draft, specimen, random);
  const length = Math.min(draft.bytes.length - start, stretch(random));
  draft.splice(start, start + length, new Uint8Array(0));
  return `${length} bytes from ${start} cut out`;
};

const insert: Mutation = (draft, specimen, random) => {
  if (draft.bytes.length > MAX_SPLICED) return extend(draft, specimen, random, []);
  const at = placeIn(draft, specimen, random);
  const length = stretch(random);
  const from = placeIn(draft, specimen, random);
  const part = random.oneIn(2) ? draft.bytes.slice(from, from + length) : new Uint8Array(length);
  draft.splice(at, at, part);
  return `${part.length} bytes put in at ${at}`;
};

const truncate: Mutation = (draft, specimen, random) => {
  const size = random.oneIn(2)
    ? placeIn(draft, specimen, random)
    : Math.max(0, draft.bytes.length - 1 - random.below(8192));
  draft.resize(Math.min(size, draft.bytes.length), 0);
  return `cut off at ${size}`;
};

const extend: Mutation = (draft, _specimen, random) => {
  if (draft.bytes.length > MAX_SPLICED * 2) return 'nothing';
  const length = Math.min(MAX_GROWTH, stretch(random));
  draft.resize(draft.bytes.length + length, random.pick([0, 0, 0xff, 0x5a]));
  return `${length} bytes longer`;
};

const kinds: readonly Mutation[] = [
  ...Array<Mutation>(8).fill(field),
  ...Array<Mutation>(6).fill(entry),
  ...[flip, flip, flip, overwrite, overwrite, cut, insert, truncate, extend],
];

const stretch = (random: Random): number =>
  random.pick([1, 4, 8, 16, 24, 511, 512, 513, 1024, 4096, 65536, 1 + random.below(5000)]);

/** Mostly in or beside a structure, now and then anywhere. */
function placeIn(draft: Draft, { anatomy }: Specimen, random: Random): number {
  const { records, tables, regions } = anatomy;
  const last = Math.max(0, draft.bytes.length - 1);
  const choice = random.below(8);
  let at = random.below(last + 1);
  if (choice < 3 && records.length > 0) {
    const { at: start, struct } = random.pick(records);
    at = start + random.below(struct.size + 1);
  } else if (choice < 5 && tables.length > 0) {
    const table = random.pick(tables);
    at = table.at + random.below(table.entrySize * Math.min(table.count, 64) + 1);
  } else if (choice < 7 && regions.length > 0) {
    const { start, end } = random.pick(regions);
    at = start + random.below(Math.min(end - start, 256) + 1);
  }
  return Math.min(at, last);
}

/** A value at which readers have gone wrong before. */
function interesting(draft: Draft, { anatomy }: Specimen, at: number, size: number, random: Random): bigint {
  const bits = BigInt(size * 8);
  const max = (1n << bits) - 1n;
  const sign = 1n << (bits - 1n);
  const was = decoded(draft.bytes, at, size, anatomy.endian);
  const fileSize = BigInt(draft.bytes.length);
  switch (random.below(10)) {
    case 0:
      return random.pick([0n, 0n, 1n, 2n, 3n]);
    case 1:
      return random.pick([max, max - 1n, sign, sign - 1n, sign + 1n]);
    case 2:
      return was + random.pick([-1n, 1n, 8n, -8n, 511n, 512n, -512n, 4096n, -4096n, 65536n]);
    case 3:
      return random.pick([was * 2n, was / 2n, was << 8n, was >> 8n, ~was, was ^ sign]);
    case 4: {
      const unit = random.pick([512n, 4096n, 65536n]);
      return random.pick([
        fileSize,
        fileSize - 1n,
        fileSize + 1n,
        ((fileSize + unit) / unit) * unit,
        fileSize / unit,
      ]);
    }
    case 5:
      return 1n << BigInt(random.below(Number(bits)));
    case 6:
      return BigInt(random.next()) & max;
    case 7:
      return random.pick([
        2n ** 53n,
        2n ** 53n - 1n,
        2n ** 53n - 512n,
        2n ** 32n,
        2n ** 31n,
        2n ** 40n,
        2n ** 50n,
      ]);
    default:
      return BigInt(placeOfAnother(anatomy, random));
  }
}

function placeOfAnother({ records, tables, regions }: Specimen['anatomy'], random: Random): number {
  const places = [
    ...records.map(({ at }) => at),
    ...tables.map(({ at }) => at),
    ...regions.map(({ start }) => start),
  ];
  return places.length === 0 ? 0 : random.pick(places);
}

function decoded(bytes: Uint8Array, at: number, size: number, endian: Endian): bigint {
  let value = 0n;
  for (let index = 0; index < size; index++) {
    const byte = bytes[at + (endian === 'big' ? index : size - 1 - index)] ?? 0;
    value = (value << 8n) | BigInt(byte);
  }
  return value;
}

function encoded(value: bigint, size: number, endian: Endian): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, value);
  for (let index = 0; index < size; index++) {
    bytes[endian === 'big' ? size - 1 - index : index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function noise(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = random.next();
  return bytes;
}

/** Computes a checksum again, wherever its record is now. */
function repair(draft: Draft, { bytes, anatomy }: Specimen, { kind, at, length, checksumAt }: Seal): void {
  for (const start of new Set([at, at + draft.shift])) {
    const record = draft.bytes.subarray(start, start + length);
    const isThere = record.length === length && record[0] === bytes[at] && record[1] === bytes[at + 1];
    if (!isThere) continue;
    if (kind === 'ones-complement') {
      const sum = BigInt(onesComplementSum(record, checksumAt));
      draft.write(start + checksumAt, encoded(sum, 4, anatomy.endian));
    } else if (kind === 'crc32c') {
      draft.write(start + checksumAt, encoded(BigInt(checksumOf(record, checksumAt)), 4, 'little'));
    } else {
      const sum = crc32(record.slice().fill(0, checksumAt, checksumAt + 4));
      draft.write(start + checksumAt, encoded(BigInt(sum), 4, 'little'));
    }
  }
}
