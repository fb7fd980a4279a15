/**
 * The block allocation table (BAT): what is known of each block of the disk, and where it stands ([MS-VHDX] 2.5). Behind
 * the entries of every chunk comes one for the block with the bitmap of its sectors. Read and checked whole, so that no
 * block can stand outside the file, on another block or on the metadata.
 */

import { ceilDiv, MiB } from '../../binary/align.ts';
import { CorruptImageError, type ErrorCode, type ImageError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import type { Region } from './regions.ts';
import { BITMAP_BLOCK, BITMAP_PRESENT, BlockState, chunkRatioOf, ENTRY_SIZE } from './structs.ts';

export interface TableShape {
  /** File offset of the table. */
  readonly tableOffset: number;
  readonly blockSize: number;
  readonly virtualSize: number;
  readonly logicalSectorSize: number;
  readonly hasParent: boolean;
}

/** How many entries the table has, and which. */
export interface TableOrder {
  readonly blockCount: number;
  readonly entryCount: number;
  /** Blocks that share a bitmap. */
  readonly chunkRatio: number;
  /** The entry of a block, of the disk or of bitmaps. */
  entryOf(block: number): number;
  bitmapEntryOf(block: number): number;
  /** The block whose entry that is; undefined for the entry of a bitmap. */
  blockAt(entry: number): number | undefined;
}

export function tableOrder({ blockSize, virtualSize, logicalSectorSize, hasParent }: TableShape): TableOrder {
  const chunkRatio = chunkRatioOf(blockSize, logicalSectorSize);
  const blockCount = ceilDiv(virtualSize, blockSize);
  const entryOf = (block: number): number => block + Math.floor(block / chunkRatio);
  return {
    blockCount,
    // Without a parent the last entry is that of the last block; with one there are bitmaps for all chunks.
    entryCount: hasParent ? ceilDiv(blockCount, chunkRatio) * (chunkRatio + 1) : entryOf(blockCount - 1) + 1,
    chunkRatio,
    entryOf,
    bitmapEntryOf: (block) => Math.floor(block / chunkRatio) * (chunkRatio + 1) + chunkRatio,
    blockAt(entry) {
      const within = entry % (chunkRatio + 1);
      return within === chunkRatio ? undefined : Math.floor(entry / (chunkRatio + 1)) * chunkRatio + within;
    },
  };
}

/** One entry. */
export interface Entry {
  readonly state: number;
  /** Bits that must be zero. */
  readonly reserved: number;
  /** Bytes; of no meaning in some states. */
  readonly fileOffset: number;
}

/** @param entries two words of 32 bits for each entry, the lower one first */
export function entryAt(entries: Uint32Array, index: number): Entry {
  const low = entries[index * 2] as number;
  const high = entries[index * 2 + 1] as number;
  return {
    state: low & 7,
    reserved: (low >>> 3) & 0x1ffff,
    fileOffset: (high * 4096 + (low >>> 20)) * MiB,
  };
}

export const isStored = (state: number): boolean =>
  state === BlockState.fullyPresent || state === BlockState.partiallyPresent;

export interface BlockTable extends TableOrder {
  /** @throws CorruptImageError when damage is read past, for what is damaged */
  block(block: number): Entry;
  /** File offset of the bitmap block of a block that is partially present. */
  bitmapOf(block: number): number;
}

/**
 * @param reserved ranges of the file that no block may touch
 * @param salvage keep the errors of single blocks for who reads them
 * @throws CorruptImageError `truncated` for a block past the end, `bad-reference` for one on something else, `bad-table`
 */
export async function readBlockTable(
  source: ByteSource,
  shape: TableShape,
  reserved: readonly Region[],
  salvage: boolean,
): Promise<BlockTable> {
  const order = tableOrder(shape);
  const { entryCount } = order;
  const bytes = await readBytes(
    source,
    shape.tableOffset,
    entryCount * ENTRY_SIZE,
    'The block allocation table',
  );
  const entries = new Uint32Array(bytes.buffer); // little-endian, as every platform of Node is
  const lost = new Map<number, ImageError>();
  const report = (entry: number, error: ImageError): void => {
    if (!salvage) throw error;
    lost.set(entry, error);
  };
  const judge = judgeOf(source.size, shape, order, entries, reserved);
  let storedCount = 0;
  for (let entry = 0; entry < entryCount; entry++) {
    const problem = judge(entry);
    if (problem) report(entry, problem.error);
    else if (isPlaced(entries, order, shape, entry)) storedCount += 1;
  }
  for (const problem of overlaps(shape, order, entries, storedCount, (entry) => lost.has(entry))) {
    report(problem.entry, problem.error);
  }
  const sound = (entry: number): Entry => {
    const error = lost.get(entry);
    if (error) throw error;
    return entryAt(entries, entry);
  };
  return {
    ...order,
    block: (block) => sound(order.entryOf(block)),
    bitmapOf: (block) => sound(order.bitmapEntryOf(block)).fileOffset,
  };
}

/** What is wrong with an entry. */
export interface EntryProblem {
  readonly entry: number;
  readonly kind: 'past-end' | 'overlap' | 'bad-table' | 'reserved-bits';
  readonly error: CorruptImageError;
}

/** Does the entry say where something stands? Bitmaps count only where there is a parent. */
export function isPlaced(
  entries: Uint32Array,
  order: TableOrder,
  { hasParent }: TableShape,
  entry: number,
): boolean {
  const { state } = entryAt(entries, entry);
  if (order.blockAt(entry) === undefined) return hasParent && state === BITMAP_PRESENT;
  return isStored(state);
}

/** Bytes in the file of what a placed entry stands for. */
export const placedSize = (order: TableOrder, { blockSize }: TableShape, entry: number): number =>
  order.blockAt(entry) === undefined ? BITMAP_BLOCK : blockSize;

/** Judges single entries by themselves. */
export function judgeOf(
  fileSize: number,
  shape: TableShape,
  order: TableOrder,
  entries: Uint32Array,
  reserved: readonly Region[],
): (entry: number) => EntryProblem | undefined {
  const { blockSize, virtualSize, hasParent } = shape;
  return (entry) => {
    const { state, reserved: bits, fileOffset } = entryAt(entries, entry);
    const block = order.blockAt(entry);
    // Entries of bitmaps mean nothing where there is no parent, and some writers leave rubbish in them.
    if (block === undefined && !hasParent) return undefined;
    if (block !== undefined && block >= order.blockCount) return undefined;
    const what = describe(order, entry);
    const problem = (kind: EntryProblem['kind'], code: ErrorCode, message: string): EntryProblem => ({
      entry,
      kind,
      error: entryError(shape, order, entry, code, message),
    });
    const isState =
      block === undefined
        ? state === 0 || state === BITMAP_PRESENT
        : state < 4 ||
          state === BlockState.fullyPresent ||
          (state === BlockState.partiallyPresent && hasParent);
    if (!isState)
      return problem('bad-table', 'bad-table', `${what} is in state ${state}, which is not possible.`);
    if (bits !== 0)
      return problem('reserved-bits', 'bad-table', `The entry of ${lower(what)} has reserved bits set.`);
    if (state === BlockState.partiallyPresent && block !== undefined) {
      const bitmap = entryAt(entries, order.bitmapEntryOf(block));
      if (bitmap.state !== BITMAP_PRESENT) {
        return problem('bad-table', 'bad-table', `${what} is partially present, but has no sector bitmap.`);
      }
    }
    if (!isPlaced(entries, order, shape, entry)) return undefined;
    // Of the last block only the part on the disk has to be there.
    const size = block === undefined ? BITMAP_BLOCK : Math.min(blockSize, virtualSize - block * blockSize);
    const end = fileOffset + size;
    if (end > fileSize) {
      const message = `${what} should end at byte ${end}, but the file has only ${fileSize} bytes.`;
      return problem('past-end', 'truncated', message);
    }
    const hit = reserved.find((range) => fileOffset < range.end && end > range.start);
    if (hit === undefined) return undefined;
    return problem('overlap', 'bad-reference', `${what} at byte ${fileOffset} stands on ${hit.what}.`);
  };
}

/**
 * Blocks that share bytes with one before them in the file.
 * @param placedCount entries that say where something stands
 */
export function* overlaps(
  shape: TableShape,
  order: TableOrder,
  entries: Uint32Array,
  placedCount: number,
  isLost: (entry: number) => boolean,
): Generator<EntryProblem> {
  // MiB in the file, twice, and 1 more for a block of the disk: they sort as they stand.
  const keys = new Float64Array(placedCount);
  let count = 0;
  for (let entry = 0; entry < order.entryCount; entry++) {
    if (!isPlaced(entries, order, shape, entry) || isLost(entry)) continue;
    const isBlock = order.blockAt(entry) !== undefined;
    keys[count++] = (entryAt(entries, entry).fileOffset / MiB) * 2 + Number(isBlock);
  }
  const sorted = keys.subarray(0, count).sort();
  let end = 0;
  for (const key of sorted) {
    const isBlock = key % 2 === 1;
    const start = ((key - Number(isBlock)) / 2) * MiB;
    if (start < end) {
      const entry = lastAt(shape, order, entries, start, isBlock);
      const message = `${describe(order, entry)} at byte ${start} shares bytes with another block.`;
      yield { entry, kind: 'overlap', error: entryError(shape, order, entry, 'bad-reference', message) };
    }
    end = Math.max(end, start + (isBlock ? shape.blockSize : BITMAP_BLOCK));
  }
}

/** The last entry for that place: found again by looking, since it is needed only for an error. */
function lastAt(
  shape: TableShape,
  order: TableOrder,
  entries: Uint32Array,
  fileOffset: number,
  isBlock: boolean,
): number {
  for (let entry = order.entryCount - 1; ; entry--) {
    const isKind = (order.blockAt(entry) !== undefined) === isBlock;
    if (
      isKind &&
      isPlaced(entries, order, shape, entry) &&
      entryAt(entries, entry).fileOffset === fileOffset
    ) {
      return entry;
    }
  }
}

/** What to call an entry at the start of a sentence. */
function describe(order: TableOrder, entry: number): string {
  const block = order.blockAt(entry);
  if (block !== undefined) return `Block ${block}`;
  return `The sector bitmap of chunk ${Math.floor(entry / (order.chunkRatio + 1))}`;
}

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function entryError(
  { tableOffset, blockSize }: TableShape,
  order: TableOrder,
  entry: number,
  code: ErrorCode,
  message: string,
): CorruptImageError {
  const block = order.blockAt(entry);
  return new CorruptImageError(code, message, {
    format: 'vhdx',
    fileOffset: tableOffset + entry * ENTRY_SIZE,
    ...(block !== undefined && { guestOffset: block * blockSize }),
    ...(code === 'truncated' && {
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    }),
  });
}
