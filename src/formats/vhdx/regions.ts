/** The region table, kept twice, which says where the BAT and the metadata stand ([MS-VHDX] 2.2.3). */

import { isAligned, MiB } from '../../binary/align.ts';
import { guidText } from '../../binary/guid.ts';
import { CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { Note } from '../../image/reader.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import {
  Guid,
  HEADER_SECTION,
  isSound,
  MAX_TABLE_ENTRIES,
  REGION_SIGNATURE,
  REGION_TABLE_OFFSETS,
  regionEntry,
  regionTableHeader,
  TABLE_SIZE,
} from './structs.ts';

/** A range of the file, whole MiB. */
export interface Region {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** File offset of what refers to it. */
  readonly referredAt: number;
}

export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
  /** These two, and those that are not known and need not be. */
  readonly all: readonly Region[];
  readonly notes: readonly Note[];
}

export interface RegionTableCandidate {
  readonly fileOffset: number;
  readonly bytes: Uint8Array;
  readonly isSound: boolean;
}

export async function readRegionTables(source: ByteSource): Promise<readonly RegionTableCandidate[]> {
  const candidates: RegionTableCandidate[] = [];
  for (const fileOffset of REGION_TABLE_OFFSETS) {
    const bytes = await readBytes(source, fileOffset, TABLE_SIZE, 'A region table');
    candidates.push({ fileOffset, bytes, isSound: isSound(bytes, REGION_SIGNATURE) });
  }
  return candidates;
}

/**
 * @throws CorruptImageError `bad-checksum`, `bad-table`, `bad-reference`, `truncated`
 * @throws UnsupportedFeatureError `unsupported-feature` for a region that is not known and has to be
 */
export async function readRegions(source: ByteSource): Promise<Regions> {
  const candidates = await readRegionTables(source);
  const table = candidates.find((candidate) => candidate.isSound);
  if (table === undefined) {
    const message = 'Neither region table is whole: their checksums do not hold.';
    throw corrupt('bad-checksum', message, REGION_TABLE_OFFSETS[0]);
  }
  const byGuid = regionsOf(table);
  for (const { start, end, what } of byGuid.values()) {
    requireInside(source, start, end - start, what);
  }
  return {
    bat: known(byGuid, Guid.bat, 'BAT', table.fileOffset),
    metadata: known(byGuid, Guid.metadata, 'metadata', table.fileOffset),
    all: [...byGuid.values()],
    notes: candidates
      .filter((candidate) => !candidate.isSound)
      .map(({ fileOffset }) => ({
        code: 'spare-region-table',
        message: `The region table at byte ${fileOffset} is damaged; the other one is used.`,
      })),
  };
}

const names: Readonly<Record<string, string>> = {
  [Guid.bat]: 'the block allocation table',
  [Guid.metadata]: 'the metadata',
};

/** The regions of a table by their GUIDs, each possible by itself. */
function regionsOf({ bytes, fileOffset }: RegionTableCandidate): ReadonlyMap<string, Region> {
  const { entryCount } = regionTableHeader.decode(bytes, fileOffset);
  if (entryCount > MAX_TABLE_ENTRIES) {
    const message = `The region table has ${entryCount} entries; ${MAX_TABLE_ENTRIES} are possible.`;
    throw corrupt('bad-table', message, fileOffset + regionTableHeader.fields.entryCount.at);
  }
  const regions = new Map<string, Region>();
  for (let index = 0; index < entryCount; index++) {
    const at = regionTableHeader.size + index * regionEntry.size;
    const entry = regionEntry.decode(bytes.subarray(at), fileOffset + at);
    const guid = guidText(entry.guid);
    requirePossible(entry, guid, fileOffset + at);
    if (regions.has(guid)) throw corrupt('bad-table', `There are two regions ${guid}.`, fileOffset + at);
    regions.set(guid, {
      what: names[guid] ?? `the region ${guid}`,
      start: entry.fileOffset,
      end: entry.fileOffset + entry.length,
      referredAt: fileOffset + at,
    });
  }
  return regions;
}

function requirePossible(
  { fileOffset, length, required }: { fileOffset: number; length: number; required: number },
  guid: string,
  place: number,
): void {
  if (names[guid] === undefined && required !== 0) {
    throw new UnsupportedFeatureError('unsupported-feature', `The image needs a region ${guid}.`, {
      format: 'vhdx',
      fileOffset: place,
      hint: 'What it holds is not known, and the image says that it matters.',
    });
  }
  const isPossible =
    isAligned(fileOffset, MiB) && isAligned(length, MiB) && fileOffset >= HEADER_SECTION && length > 0;
  if (isPossible) return;
  const message = `A region of ${length} bytes at byte ${fileOffset} is not possible: it has whole MiB behind the first.`;
  throw corrupt('bad-reference', message, place + regionEntry.fields.fileOffset.at);
}

function known(regions: ReadonlyMap<string, Region>, guid: string, name: string, fileOffset: number): Region {
  const region = regions.get(guid);
  if (region) return region;
  throw corrupt('bad-table', `The region table has no ${name} region.`, fileOffset);
}

/** @throws CorruptImageError `bad-reference` for two that share bytes */
export function requireApart(regions: readonly Region[]): void {
  for (const [before, region] of overlapsOf(regions)) {
    throw corrupt('bad-reference', overlapText(before, region), region.referredAt);
  }
}

export const overlapText = (before: Region, region: Region): string =>
  `${before.what} and ${region.what} share bytes from ${region.start} on.`;

/** Neighbours in the file that share bytes. */
export function* overlapsOf(regions: readonly Region[]): Generator<readonly [Region, Region]> {
  const sorted = regions.filter(({ start, end }) => start < end).sort((a, b) => a.start - b.start);
  for (const [index, region] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before !== undefined && before.end > region.start) yield [before, region];
  }
}

const corrupt = (
  code: 'bad-checksum' | 'bad-table' | 'bad-reference',
  message: string,
  fileOffset: number,
): CorruptImageError => new CorruptImageError(code, message, { format: 'vhdx', fileOffset });
