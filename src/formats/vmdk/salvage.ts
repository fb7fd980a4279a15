/** The grains of a stream whose end is missing, and with it all tables: the markers are followed from the front. */

import { SECTOR } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { maxPayloadLength, recordLength } from './grain.ts';
import type { GrainShape, TableSource } from './grain-tables.ts';
import { MarkerType } from './structs.ts';

/** A marker up to its type; a sector follows its own, of whatever kind. */
const MARKER_LENGTH = 16;

/**
 * Streams have their grains in the order of the disk: what is missing between two of them is zeros, and what is behind
 * the last one is not known, unless the stream goes on to its directory.
 * @param start file offset of the first marker
 * @throws BudgetError, ImageIoError
 */
export async function findGrains(
  source: ByteSource,
  shape: GrainShape,
  start: number,
  maxMetadataBytes: number,
): Promise<TableSource> {
  const { grainSize, tableEntries, capacity } = shape;
  const tables = new Map<number, Uint32Array>();
  let knownEnd = 0;
  for (let at = start; at + MARKER_LENGTH <= source.size; ) {
    const bytes = await readBytes(source, at, MARKER_LENGTH, 'A marker');
    const view = new DataView(bytes.buffer);
    const sector = Number(view.getBigUint64(0, true));
    const dataSize = view.getUint32(8, true);
    if (dataSize === 0) {
      const type = view.getUint32(12, true);
      if (type === MarkerType.grainDirectory) knownEnd = capacity;
      // Zeros are the marker of the end, and what a download leaves where nothing came.
      if (type !== MarkerType.grainTable || !Number.isSafeInteger(sector * SECTOR)) break;
      at += SECTOR + sector * SECTOR;
      continue;
    }
    const guestOffset = sector * SECTOR;
    const end = at + recordLength(dataSize);
    const isGrain =
      guestOffset % grainSize === 0 &&
      guestOffset >= knownEnd &&
      guestOffset < capacity &&
      dataSize <= maxPayloadLength(grainSize) &&
      end <= source.size;
    if (!isGrain) break;
    const grain = guestOffset / grainSize;
    const index = Math.floor(grain / tableEntries);
    const table = tables.get(index) ?? new Uint32Array(tableEntries);
    if (tables.size * tableEntries * 4 > maxMetadataBytes) throw overBudget(maxMetadataBytes, at);
    table[grain % tableEntries] = at / SECTOR;
    tables.set(index, table);
    knownEnd = Math.min(capacity, guestOffset + grainSize);
    at = end;
  }
  return {
    knownEnd,
    has: (index) => tables.has(index),
    read: async (index) => ({
      entries: tables.get(index) as Uint32Array,
      fileOffset: start, // of a table that is lost with the end of the file
      guestStart: index * tableEntries * grainSize,
    }),
  };
}

const overBudget = (maxMetadataBytes: number, fileOffset: number): BudgetError =>
  new BudgetError('over-budget', `The tables of the grains take more than ${maxMetadataBytes} bytes.`, {
    format: 'vmdk',
    fileOffset,
    hint: 'Allow more with --max-metadata.',
  });
