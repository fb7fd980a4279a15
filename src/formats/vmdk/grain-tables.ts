/**
 * The grain directory and its tables: for each grain of the disk where it stands in the file. A table is read when one
 * of its grains is asked for; the directory at once.
 */

import { ceilDiv, SECTOR } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';
import { mergeNeighbours, type OwnExtent } from '../../image/extent.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { corrupt, INCOMPLETE } from './errors.ts';
import { maxRecordLength, readStoredLength } from './grain.ts';
import { UNUSED_GRAIN, ZERO_GRAIN } from './structs.ts';

export interface GrainShape {
  /** File offset of the grain directory. */
  readonly directoryOffset: number;
  /** Entries of a grain table. */
  readonly tableEntries: number;
  /** Bytes. */
  readonly grainSize: number;
  /** Guest bytes of the extent. */
  readonly capacity: number;
  /** Does an entry of 1 stand for zeros? */
  readonly hasZeroGrains: boolean;
  readonly isCompressed: boolean;
  /** File offset behind the header and the descriptor: no grain and no table stands before it. */
  readonly reservedEnd: number;
  /** What shows where no grain is stored. */
  readonly hole: 'zero' | 'backing';
  /** Where the extent begins on the disk, and its file among the files of the disk. */
  readonly guestStart: number;
  readonly fileStart: number;
}

export interface GrainTables {
  /** The extents of [from, to), which are offsets on the disk and lie in this extent of it. */
  extents(from: number, to: number): AsyncGenerator<OwnExtent>;
}

/** Tables that are kept, in bytes of them. */
const CACHE_BYTES = 4 * 1024 * 1024;

/** Entries of the grain directory. */
export const directoryEntries = ({ capacity, grainSize, tableEntries }: GrainShape): number =>
  ceilDiv(capacity, grainSize * tableEntries);

/** The tables of an extent, by their numbers. */
export interface TableSource {
  /** Guest bytes from the start of the extent that are told; behind them nothing is known. */
  readonly knownEnd: number;
  has(index: number): boolean;
  /** @throws CorruptImageError */
  read(index: number): Promise<GrainTable>;
}

/** A table, where it stands, and the first byte of its first grain within the extent. */
export interface GrainTable {
  readonly entries: Uint32Array;
  readonly fileOffset: number;
  readonly guestStart: number;
}

/** @throws BudgetError, CorruptImageError `truncated` */
export const openGrainTables = async (
  source: ByteSource,
  shape: GrainShape,
  maxMetadataBytes: number,
): Promise<GrainTables> =>
  grainTablesFrom(source, shape, await directoryTables(source, shape, maxMetadataBytes));

export function grainTablesFrom(source: ByteSource, shape: GrainShape, tables: TableSource): GrainTables {
  const { grainSize, tableEntries, guestStart, hole } = shape;
  const tableSpan = grainSize * tableEntries;

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    const end = Math.min(to - guestStart, tables.knownEnd);
    for (let at = from - guestStart; at < end; ) {
      let index = Math.floor(at / tableSpan);
      if (!tables.has(index)) {
        // Holes are told at once: a size costs a hostile image nothing.
        while (index * tableSpan < end && !tables.has(index)) index += 1;
        const next = Math.min(end, index * tableSpan);
        yield { kind: hole, guestOffset: guestStart + at, length: next - at };
        at = next;
        continue;
      }
      const next = Math.min(end, (index + 1) * tableSpan);
      const table = await tables.read(index);
      if (shape.isCompressed) yield* packedExtents(source, shape, table, at, next);
      else yield* mergeNeighbours(plainExtents(source, shape, table, at, next));
      at = next;
    }
    if (end === to - guestStart) return;
    throw corrupt('truncated', 'The file ends before the grains from here on.', source.size, {
      guestOffset: guestStart + Math.max(end, from - guestStart),
      hint: INCOMPLETE,
    });
  }
  return { extents };
}

async function directoryTables(
  source: ByteSource,
  shape: GrainShape,
  maxMetadataBytes: number,
): Promise<TableSource> {
  const { grainSize, tableEntries, capacity } = shape;
  const tableBytes = tableEntries * 4;
  const directory = await readDirectory(source, shape, maxMetadataBytes);
  const cache = new Map<number, Uint32Array>();
  return {
    knownEnd: capacity,
    has: (index) => directory[index] !== UNUSED_GRAIN,
    async read(index) {
      const fileOffset = (directory[index] as number) * SECTOR;
      let entries = cache.get(fileOffset);
      if (entries === undefined) {
        requireTablePlace(source, shape, index, fileOffset);
        const bytes = await readBytes(source, fileOffset, tableBytes, 'A grain table');
        entries = new Uint32Array(bytes.buffer); // little-endian, as every platform of Node is
        if (cache.size >= Math.max(2, CACHE_BYTES / tableBytes)) {
          cache.delete(cache.keys().next().value as number);
        }
        cache.set(fileOffset, entries);
      }
      return { entries, fileOffset, guestStart: index * tableEntries * grainSize };
    },
  };
}

async function readDirectory(
  source: ByteSource,
  shape: GrainShape,
  maxMetadataBytes: number,
): Promise<Uint32Array> {
  const length = directoryEntries(shape) * 4;
  if (length > maxMetadataBytes) {
    throw new BudgetError('over-budget', `The grain directory takes ${length} bytes.`, {
      format: 'vmdk',
      fileOffset: shape.directoryOffset,
      hint: `At most ${maxMetadataBytes} bytes are read; allow more with --max-metadata.`,
    });
  }
  const bytes = await readBytes(source, shape.directoryOffset, length, 'The grain directory');
  return new Uint32Array(bytes.buffer);
}

/** The error stands at the directory's entry: what that says may be no place in any file. */
function requireTablePlace(source: ByteSource, shape: GrainShape, index: number, fileOffset: number): void {
  const { directoryOffset, tableEntries, grainSize, guestStart, reservedEnd } = shape;
  const entryOffset = directoryOffset + index * 4;
  const guestOffset = guestStart + index * tableEntries * grainSize;
  if (fileOffset < reservedEnd) {
    const message = `The grain table at byte ${fileOffset} stands on the header or the descriptor.`;
    throw corrupt('bad-reference', message, entryOffset, { guestOffset });
  }
  const end = fileOffset + tableEntries * 4;
  if (end <= source.size) return;
  const message = `A grain table should end at byte ${end}, but the file has only ${source.size} bytes.`;
  throw corrupt('truncated', message, entryOffset, { guestOffset, hint: INCOMPLETE });
}

/** Where a grain that is stored stands; undefined for one that is not. @throws CorruptImageError */
function grainOffset(
  { reservedEnd, hasZeroGrains, grainSize, guestStart }: GrainShape,
  table: GrainTable,
  slot: number,
): number | undefined {
  const entry = table.entries[slot] as number;
  if (entry === UNUSED_GRAIN || (entry === ZERO_GRAIN && hasZeroGrains)) return undefined;
  const offset = entry * SECTOR;
  if (offset >= reservedEnd) return offset;
  const message = `The grain at byte ${offset} stands on the header or the descriptor.`;
  throw corrupt('bad-reference', message, table.fileOffset + slot * 4, {
    guestOffset: guestStart + table.guestStart + slot * grainSize,
  });
}

/** The extents of grains that are stored as they are; from and to are offsets in the extent. */
function* plainExtents(
  source: ByteSource,
  shape: GrainShape,
  table: GrainTable,
  from: number,
  to: number,
): Generator<OwnExtent> {
  const { grainSize, guestStart, fileStart, capacity } = shape;
  for (let at = from; at < to; ) {
    const slot = Math.floor((at - table.guestStart) / grainSize);
    const start = table.guestStart + slot * grainSize;
    const length = Math.min(start + grainSize, to) - at;
    const guestOffset = guestStart + at;
    const offset = grainOffset(shape, table, slot);
    if (offset === undefined) {
      yield notStored(shape, table, slot, guestOffset, length);
    } else {
      // Of the last grain only the part on the disk has to be there.
      const end = offset + Math.min(grainSize, capacity - start);
      if (end > source.size) throw pastEnd(source, shape, table, slot, end);
      yield { kind: 'data', guestOffset, length, fileOffset: fileStart + offset + at - start };
    }
    at += length;
  }
}

/** The extents of compressed grains; from and to are offsets in the extent, of grains or its end. */
async function* packedExtents(
  source: ByteSource,
  shape: GrainShape,
  table: GrainTable,
  from: number,
  to: number,
): AsyncGenerator<OwnExtent> {
  const { grainSize, guestStart, fileStart } = shape;
  for (let at = from; at < to; at += grainSize) {
    const slot = (at - table.guestStart) / grainSize;
    const length = Math.min(grainSize, to - at);
    const guestOffset = guestStart + at;
    const offset = grainOffset(shape, table, slot);
    if (offset === undefined) {
      yield notStored(shape, table, slot, guestOffset, length);
      continue;
    }
    const storedLength =
      lengthUpToNext(shape, table, slot, offset) ??
      (await readStoredLength(source, offset, { guestOffset, extentStart: guestStart }, grainSize));
    if (offset + storedLength > source.size) throw pastEnd(source, shape, table, slot, offset + storedLength);
    yield {
      kind: 'packed',
      guestOffset,
      length,
      fileOffset: fileStart + offset,
      storedLength,
      unpackedLength: grainSize,
      codec: 'zlib',
    };
  }
}

/** Bytes up to the grain that follows in the table, when it follows in the file too. */
function lengthUpToNext(
  { grainSize }: GrainShape,
  { entries }: GrainTable,
  slot: number,
  offset: number,
): number | undefined {
  for (let next = slot + 1; next < entries.length; next++) {
    const entry = entries[next] as number;
    if (entry <= ZERO_GRAIN) continue;
    const length = entry * SECTOR - offset;
    return length > 0 && length <= maxRecordLength(grainSize) ? length : undefined;
  }
  return undefined;
}

function notStored(
  { hole }: GrainShape,
  { entries }: GrainTable,
  slot: number,
  guestOffset: number,
  length: number,
): OwnExtent {
  if (entries[slot] === ZERO_GRAIN) return { kind: 'zero', guestOffset, length, explicit: true };
  return { kind: hole, guestOffset, length };
}

function pastEnd(source: ByteSource, shape: GrainShape, table: GrainTable, slot: number, end: number) {
  const message = `A grain should end at byte ${end}, but the file has only ${source.size} bytes.`;
  return corrupt('truncated', message, table.fileOffset + slot * 4, {
    guestOffset: shape.guestStart + table.guestStart + slot * shape.grainSize,
    hint: INCOMPLETE,
  });
}
