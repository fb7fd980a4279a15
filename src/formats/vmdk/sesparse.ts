/**
 * SEsparse: the space-efficient extents of ESX servers, in which snapshots on VMFS 6 and of disks above 2 TiB are. VMware has not
 * published the format: what stands here is known from others' descriptions, and from what qemu-img makes of such files.
 * Everything is little-endian; places and sizes are in sectors.
 */

import { ceilDiv, KiB, SECTOR } from '../../binary/align.ts';
import { bits64, bytes, type Decoded, struct, u64 } from '../../binary/struct.ts';
import { BudgetError } from '../../errors.ts';
import { mergeNeighbours, type OwnExtent } from '../../image/extent.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { corrupt, INCOMPLETE, unsupported } from './errors.ts';

export const seSparseHeader = struct('SEsparse header', 512, 'little', {
  magic: bits64(0),
  version: bits64(8), // 2.1
  capacity: u64(16),
  grainSize: u64(24), // 8
  grainTableSize: u64(32), // 64
  flags: bits64(40), // 0
  reserved: bytes(48, 32),
  volatileHeaderOffset: u64(80),
  volatileHeaderSize: u64(88),
  journalHeaderOffset: u64(96),
  journalHeaderSize: u64(104),
  journalOffset: u64(112),
  journalSize: u64(120),
  grainDirectoryOffset: u64(128),
  grainDirectorySize: u64(136),
  grainTablesOffset: u64(144), // room for all of them, by their numbers
  grainTablesSize: u64(152),
  freeBitmapOffset: u64(160),
  freeBitmapSize: u64(168),
  backMapOffset: u64(176), // for each grain the table that has it
  backMapSize: u64(184),
  grainsOffset: u64(192), // and grains by their numbers from here on
  grainsSize: u64(200),
  padding: bytes(208, 304),
});

/** What changes while the disk is in use. */
export const volatileHeader = struct('SEsparse volatile header', 512, 'little', {
  magic: bits64(0),
  freeTable: u64(8),
  nextTransaction: bits64(16),
  replayJournal: bits64(24), // not 0: tables were not brought up to date
  padding: bytes(32, 480),
});

export const SE_MAGIC = 0xcafe_baben;
export const SE_VOLATILE_MAGIC = 0xcafe_cafen;
export const SE_VERSION = 0x2_0000_0001n;

const GRAIN_SECTORS = 8;
const TABLE_SECTORS = 64;
/** Bytes. */
export const SE_GRAIN = 4 * KiB;
/** Entries of a table, of 8 bytes each. */
const TABLE_ENTRIES = (TABLE_SECTORS * SECTOR) / 8;
/** Guest bytes that a table tells of. */
export const SE_TABLE_SPAN = TABLE_ENTRIES * SE_GRAIN;

export const hasSeSparseMagic = (head: Uint8Array): boolean =>
  head.length >= 8 && new DataView(head.buffer, head.byteOffset).getBigUint64(0, true) === SE_MAGIC;

/** Where things stand, in bytes. */
export interface SeSparse {
  readonly capacity: number;
  readonly directoryOffset: number;
  readonly tablesOffset: number;
  readonly grainsOffset: number;
}

/** @throws CorruptImageError, UnsupportedFeatureError */
export async function readSeSparse(source: ByteSource): Promise<SeSparse> {
  const header = seSparseHeader.decode(await readBytes(source, 0, seSparseHeader.size, 'The header'), 0);
  const { fields } = seSparseHeader;
  if (header.magic !== SE_MAGIC) throw corrupt('bad-header', 'This is no SEsparse extent.', fields.magic.at);
  requireKnown(header);
  const { capacity, volatileHeaderOffset, grainDirectoryOffset, grainTablesOffset, grainsOffset } = header;
  if (capacity === 0 || !Number.isSafeInteger(capacity * SECTOR)) {
    throw corrupt('bad-header', `The header tells a disk of ${capacity} sectors.`, fields.capacity.at);
  }
  for (const key of [
    'volatileHeaderOffset',
    'grainDirectoryOffset',
    'grainTablesOffset',
    'grainsOffset',
  ] as const) {
    if (header[key] > 0 && header[key] * SECTOR < source.size) continue;
    const message = `${key} is sector ${header[key]} of a file of ${source.size} bytes.`;
    throw corrupt(header[key] === 0 ? 'bad-reference' : 'truncated', message, fields[key].at, {
      ...(header[key] > 0 && { hint: INCOMPLETE }),
    });
  }
  const needed = ceilDiv(capacity * SECTOR, SE_TABLE_SPAN) * 8;
  if (header.grainDirectorySize * SECTOR < needed) {
    const message = `A disk of ${capacity} sectors needs a grain directory of ${needed} bytes, not ${header.grainDirectorySize} sectors.`;
    throw corrupt('bad-header', message, fields.grainDirectorySize.at);
  }
  await requireSettled(source, volatileHeaderOffset * SECTOR);
  return {
    capacity: capacity * SECTOR,
    directoryOffset: grainDirectoryOffset * SECTOR,
    tablesOffset: grainTablesOffset * SECTOR,
    grainsOffset: grainsOffset * SECTOR,
  };
}

/** @throws UnsupportedFeatureError */
function requireKnown({ version, grainSize, grainTableSize, flags }: Decoded<typeof seSparseHeader>): void {
  const { fields } = seSparseHeader;
  const hint = 'Clone the disk to one that is thin or flat with the software that made it.';
  if (version !== SE_VERSION) {
    const message = `This is version ${version >> 32n}.${version & 0xffff_ffffn} of SEsparse; 2.1 is read.`;
    throw unsupported('unsupported-version', message, fields.version.at, hint);
  }
  if (grainSize !== GRAIN_SECTORS) {
    const message = `The grains have ${grainSize} sectors; ${GRAIN_SECTORS} are read.`;
    throw unsupported('unsupported-feature', message, fields.grainSize.at, hint);
  }
  if (grainTableSize !== TABLE_SECTORS) {
    const message = `The grain tables have ${grainTableSize} sectors; ${TABLE_SECTORS} are read.`;
    throw unsupported('unsupported-feature', message, fields.grainTableSize.at, hint);
  }
  if (flags !== 0n) {
    const message = `The header has flags that are not known: 0x${flags.toString(16)}.`;
    throw unsupported('unsupported-feature', message, fields.flags.at, hint);
  }
}

/** @throws UnsupportedFeatureError where the journal has more than the tables, CorruptImageError */
async function requireSettled(source: ByteSource, fileOffset: number): Promise<void> {
  const block = await readBytes(source, fileOffset, volatileHeader.size, 'The volatile header');
  const { magic, replayJournal } = volatileHeader.decode(block, fileOffset);
  if (magic !== SE_VOLATILE_MAGIC) {
    throw corrupt('bad-header', 'There is no volatile header where it should stand.', fileOffset);
  }
  if (replayJournal === 0n) return;
  throw unsupported(
    'unsupported-feature',
    'The disk was not closed cleanly: what its journal has is not in its tables.',
    fileOffset + volatileHeader.fields.replayJournal.at,
    'Open the disk with the software that made it, and shut it down there.',
  );
}

/** Where an extent stands on the disk, and its file among the files of the disk. */
export interface SeSparsePlace {
  readonly guestStart: number;
  readonly fileStart: number;
  readonly length: number;
  /** What shows where nothing is stored. */
  readonly hole: 'zero' | 'backing';
}

/** The extents of [from, to), which are offsets on the disk and lie in this extent of it. */
export type SeSparseExtents = (from: number, to: number) => AsyncGenerator<OwnExtent>;

/** @throws BudgetError, CorruptImageError */
export async function openSeSparse(
  source: ByteSource,
  own: SeSparse,
  place: SeSparsePlace,
  maxMetadataBytes: number,
): Promise<SeSparseExtents> {
  const { guestStart, length } = place;
  const directory = await readDirectory(source, own, length, maxMetadataBytes);
  let kept: { readonly index: number; readonly table: Entries } | undefined;

  async function tableAt(index: number, number: number): Promise<Entries> {
    if (kept?.index === index) return kept.table;
    const table = await readTable(source, own, index, number);
    kept = { index, table };
    return table;
  }

  return async function* extents(from, to) {
    for (let at = from - guestStart; at < to - guestStart; ) {
      let index = Math.floor(at / SE_TABLE_SPAN);
      const number = tableNumber(directory, index, guestStart);
      const endOf = (table: number): number => Math.min(to - guestStart, (table + 1) * SE_TABLE_SPAN);
      if (number === undefined) {
        // Holes are told at once: a size costs a hostile image nothing.
        while (endOf(index) < to - guestStart && tableNumber(directory, index + 1, guestStart) === undefined)
          index += 1;
        yield { kind: place.hole, guestOffset: guestStart + at, length: endOf(index) - at };
      } else {
        const table = await tableAt(index, number);
        yield* mergeNeighbours(grainExtents(source, own, place, table, at, endOf(index)));
      }
      at = endOf(index);
    }
  };
}

/** Entries as pairs of words, the lower one first; and where they stand. */
interface Entries {
  readonly words: Uint32Array;
  readonly fileOffset: number;
  /** Of the first of them, within the extent. */
  readonly guestStart: number;
}

async function readDirectory(
  source: ByteSource,
  { directoryOffset }: SeSparse,
  length: number,
  maxMetadataBytes: number,
): Promise<Entries> {
  const size = ceilDiv(length, SE_TABLE_SPAN) * 8;
  if (size > maxMetadataBytes) {
    throw new BudgetError('over-budget', `The grain directory takes ${size} bytes.`, {
      format: 'vmdk',
      fileOffset: directoryOffset,
      hint: `At most ${maxMetadataBytes} bytes are read; allow more with --max-metadata.`,
    });
  }
  const block = await readBytes(source, directoryOffset, size, 'The grain directory');
  return { words: new Uint32Array(block.buffer), fileOffset: directoryOffset, guestStart: 0 };
}

/** What the upper word of a directory's entry has when the lower one is the number of a table. */
const HAS_TABLE = 0x1000_0000;

/** Undefined where no table is. @throws CorruptImageError */
function tableNumber({ words, fileOffset }: Entries, index: number, guestStart: number): number | undefined {
  const [low, high] = [words[index * 2] as number, words[index * 2 + 1] as number];
  if (low === 0 && high === 0) return undefined;
  if (high === HAS_TABLE) return low;
  throw corrupt(
    'bad-table',
    `The grain directory has the entry 0x${hex(high)}${hex(low)}.`,
    fileOffset + index * 8,
    {
      guestOffset: guestStart + index * SE_TABLE_SPAN,
    },
  );
}

const hex = (word: number): string => word.toString(16).padStart(8, '0');

async function readTable(source: ByteSource, own: SeSparse, index: number, number: number): Promise<Entries> {
  const length = TABLE_SECTORS * SECTOR;
  const fileOffset = own.tablesOffset + number * length;
  if (fileOffset + length > source.size) {
    const message = `A grain table should end at byte ${fileOffset + length}, but the file has only ${source.size} bytes.`;
    throw corrupt('truncated', message, own.directoryOffset + index * 8, { hint: INCOMPLETE });
  }
  const block = await readBytes(source, fileOffset, length, 'A grain table');
  return { words: new Uint32Array(block.buffer), fileOffset, guestStart: index * SE_TABLE_SPAN };
}

/** The kind of a grain: the upper four bits of its entry. */
const Kind = { none: 0, unmapped: 1, zero: 2, stored: 3 } as const;

/** from and to are offsets in the extent. */
function* grainExtents(
  source: ByteSource,
  own: SeSparse,
  { guestStart, fileStart, hole, length: whole }: SeSparsePlace,
  table: Entries,
  from: number,
  to: number,
): Generator<OwnExtent> {
  for (let at = from; at < to; ) {
    const slot = Math.floor((at - table.guestStart) / SE_GRAIN);
    const start = table.guestStart + slot * SE_GRAIN;
    const length = Math.min(start + SE_GRAIN, to) - at;
    const guestOffset = guestStart + at;
    const entryOffset = table.fileOffset + slot * 8;
    const [low, high] = [table.words[slot * 2] as number, table.words[slot * 2 + 1] as number];
    const kind = high >>> 28;
    if (low === 0 && high === 0) {
      yield { kind: hole, guestOffset, length };
    } else if (kind === Kind.zero) {
      yield { kind: 'zero', guestOffset, length, explicit: true };
    } else if (kind === Kind.unmapped) {
      if (hole === 'backing') throw unmapped(entryOffset);
      yield { kind: 'zero', guestOffset, length };
    } else if (kind === Kind.stored) {
      const offset = own.grainsOffset + grainNumber(low, high) * SE_GRAIN;
      const end = offset + Math.min(SE_GRAIN, whole - start);
      if (end > source.size) throw pastEnd(source, entryOffset, guestOffset, end);
      yield { kind: 'data', guestOffset, length, fileOffset: fileStart + offset + at - start };
    } else {
      const message = `A grain table has the entry 0x${hex(high)}${hex(low)}.`;
      throw corrupt('bad-table', message, entryOffset, { guestOffset });
    }
    at += length;
  }
}

/** Bits 48 to 59 of an entry are the lowest of the number, and bits 0 to 47 stand above them. */
const grainNumber = (low: number, high: number): number =>
  ((high & 0xffff) * 2 ** 32 + low) * 2 ** 12 + ((high >>> 16) & 0xfff);

/** Descriptions differ on what shows there: the zeros that a guest gets for what it has discarded, or the parent. */
const unmapped = (fileOffset: number) =>
  unsupported(
    'unsupported-feature',
    'The snapshot has a grain that its guest has unmapped, and what shows there is not known.',
    fileOffset,
    'Consolidate the snapshots with the software that made them, and convert the disk.',
  );

const pastEnd = (source: ByteSource, fileOffset: number, guestOffset: number, end: number) =>
  corrupt(
    'truncated',
    `A grain should end at byte ${end}, but the file has only ${source.size} bytes.`,
    fileOffset,
    { guestOffset, hint: INCOMPLETE },
  );
