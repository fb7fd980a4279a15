/**
 * Reads fixed and dynamic VHD images ("Virtual Hard Disk Image Format Specification" 1.0). A fixed disk is data and
 * a footer; a dynamic one has a copy of the footer at the start, a header, a block allocation table (BAT), and
 * blocks that each begin with a bitmap of their sectors.
 */

import { ceilDiv, isPowerOfTwo, SECTOR } from '../../binary/align.ts';
import { fromSeconds2000 } from '../../binary/time.ts';
import { BudgetError, CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import { type Extent, flatExtents, type OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageDetails, ImageReader } from '../../image/reader.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import { readBlockTable } from './block-table.ts';
import { type FoundFooter, findFooter } from './footer.ts';
import { readParentNames } from './parent.ts';
import { type SizeRule, sizeRuleOf, virtualSizeBy } from './size.ts';
import {
  bitmapSizeOf,
  DiskType,
  DYNAMIC_COOKIE,
  type DynamicHeader,
  dynamicHeader,
  headerChecksum,
  MAX_BLOCK_SIZE,
  MAX_TABLE_BYTES,
  MAX_VIRTUAL_SIZE,
  UNUSED_ENTRY,
  VERSION_1_0,
  type VhdFooter,
} from './structs.ts';

export async function openVhd(
  source: ByteSource,
  options: { readonly size: SizeRule | undefined },
  context: OpenContext = {},
): Promise<ImageReader> {
  const found = await findFooter(source);
  const { footer } = found;
  const rule = options.size ?? sizeRuleOf(footer);
  const virtualSize = virtualSizeBy(rule, footer);
  if (virtualSize === 0 || virtualSize % SECTOR !== 0) {
    const message = `The disk size is ${virtualSize} bytes, expected whole sectors of 512 bytes.`;
    throw corrupt('bad-header', message, found.fileOffset + 48);
  }
  switch (footer.diskType) {
    case DiskType.fixed:
      return openFixed(source, found, rule, virtualSize);
    case DiskType.dynamic:
      return openDynamic(source, found, rule, virtualSize, context);
    case DiskType.differencing:
      return openDifferencing(source, found, rule, virtualSize, context);
    default:
      throw corrupt(
        'bad-header',
        `Disk type ${footer.diskType} is none of fixed (2), dynamic (3) and differencing (4).`,
        found.fileOffset + 60,
      );
  }
}

function openFixed(source: ByteSource, found: FoundFooter, rule: SizeRule, virtualSize: number): ImageReader {
  if (virtualSize > found.dataEnd) {
    throw new CorruptImageError(
      'truncated',
      `The footer gives the disk ${virtualSize} bytes, but only ${found.dataEnd} stand before it.`,
      { format: 'vhd', fileOffset: found.dataEnd, hint: 'Part of the file is missing: fetch it again.' },
    );
  }
  return {
    virtualSize,
    unit: 1,
    details: details(found.footer, rule, { type: 'fixed' }),
    notes: found.notes,
    extents: async function* (from, to): AsyncGenerator<Extent> {
      yield* flatExtents(source, from, to);
    },
  };
}

async function openDynamic(
  source: ByteSource,
  found: FoundFooter,
  rule: SizeRule,
  virtualSize: number,
  context: OpenContext,
): Promise<ImageReader> {
  const { blockSize, bitmapSize, entryOf } = await openBlocks(source, found, virtualSize, context);

  async function* extents(from: number, to: number): AsyncGenerator<Extent> {
    for (let guestOffset = from; guestOffset < to; guestOffset += blockSize) {
      const length = Math.min(blockSize, to - guestOffset);
      const entry = entryOf(guestOffset / blockSize);
      if (entry === UNUSED_ENTRY) yield { kind: 'zero', guestOffset, length };
      else yield { kind: 'data', guestOffset, length, fileOffset: entry * SECTOR + bitmapSize };
    }
  }

  return {
    virtualSize,
    unit: blockSize,
    details: {
      clusterSize: blockSize,
      ...details(found.footer, rule, { type: 'dynamic', 'block-size': blockSize }),
    },
    notes: found.notes,
    extents,
  };
}

/** A differencing disk holds sectors, as the bitmaps of its blocks tell; all others are its parent's. */
async function openDifferencing(
  source: ByteSource,
  found: FoundFooter,
  rule: SizeRule,
  virtualSize: number,
  context: OpenContext,
): Promise<ImageReader> {
  const { header, headerOffset, blockSize, bitmapSize, entryOf } = await openBlocks(
    source,
    found,
    virtualSize,
    context,
  );

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    for (let guestOffset = from; guestOffset < to; guestOffset += blockSize) {
      const length = Math.min(blockSize, to - guestOffset);
      const entry = entryOf(guestOffset / blockSize);
      if (entry === UNUSED_ENTRY) {
        yield { kind: 'backing', guestOffset, length };
        continue;
      }
      const bitmap = await readBytes(source, entry * SECTOR, bitmapSize, 'A sector bitmap');
      yield* sectorRuns(bitmap, guestOffset, length, entry * SECTOR + bitmapSize);
    }
  }

  const uuid = uuidText(header.parentUniqueId);
  const names = await readParentNames(source, header, headerOffset);
  const message = `This is a differencing disk: it needs its parent, ${JSON.stringify(names[0] ?? '')}.`;
  return {
    virtualSize,
    unit: blockSize,
    details: {
      clusterSize: blockSize,
      ...(names[0] !== undefined && { backingFile: names[0] }),
      backingFormat: 'vhd',
      ...details(found.footer, rule, { type: 'differencing', 'block-size': blockSize, 'parent-uuid': uuid }),
    },
    notes: found.notes,
    extents,
    backing: {
      kind: 'parent',
      names,
      format: 'vhd',
      uuids: [uuid],
      missing: (hint) =>
        new UnsupportedFeatureError('needs-parent', message, {
          format: 'vhd',
          fileOffset: found.fileOffset + 60,
          hint,
        }),
    },
  };
}

/** The sectors of a block in runs: set bits stand in this file. The first sector is the highest bit of the first byte. */
function* sectorRuns(
  bitmap: Uint8Array,
  blockStart: number,
  length: number,
  dataStart: number,
): Generator<OwnExtent> {
  const sectors = ceilDiv(length, SECTOR);
  const isHere = (sector: number): boolean =>
    (((bitmap[Math.floor(sector / 8)] as number) >>> (7 - (sector % 8))) & 1) === 1;
  for (let first = 0; first < sectors; ) {
    const here = isHere(first);
    let end = first + 1;
    while (end < sectors && isHere(end) === here) end++;
    const guestOffset = blockStart + first * SECTOR;
    const run = Math.min(end * SECTOR, length) - first * SECTOR;
    yield here
      ? { kind: 'data', guestOffset, length: run, fileOffset: dataStart + first * SECTOR }
      : { kind: 'backing', guestOffset, length: run };
    first = end;
  }
}

/** The dynamic header and the block allocation table, checked. */
async function openBlocks(
  source: ByteSource,
  found: FoundFooter,
  virtualSize: number,
  { salvage, maxMetadataBytes = MAX_TABLE_BYTES }: OpenContext,
) {
  const { header, headerOffset } = await readHeader(source, found.footer);
  const { blockSize, tableOffset } = header;
  const entryCount = requireTableSize(
    header,
    headerOffset,
    virtualSize,
    Math.min(maxMetadataBytes, MAX_TABLE_BYTES),
  );
  requireInside(source, tableOffset, header.maxTableEntries * 4, 'The block allocation table');
  const bitmapSize = bitmapSizeOf(blockSize);
  const shape = {
    tableOffset,
    entryCount,
    blockSize,
    bitmapSize,
    virtualSize,
    fileSize: source.size,
    reserved: [
      { what: 'the footer', start: found.dataEnd, end: source.size },
      { what: 'the footer copy', start: 0, end: SECTOR },
      { what: 'the dynamic header', start: headerOffset, end: headerOffset + dynamicHeader.size },
      { what: 'the table', start: tableOffset, end: tableOffset + header.maxTableEntries * 4 },
    ],
  };
  const { entries, lost } = await readBlockTable(source, shape, salvage);
  const entryOf = (block: number): number => {
    const error = lost.get(block);
    if (error) throw error;
    return entries[block] as number;
  };
  return { header, headerOffset, blockSize, bitmapSize, entryOf };
}

export async function readHeader(
  source: ByteSource,
  footer: VhdFooter,
): Promise<{ header: DynamicHeader; headerOffset: number }> {
  if (footer.dataOffset > BigInt(source.size) || footer.dataOffset % BigInt(SECTOR) !== 0n) {
    const message = `The dynamic header should be at ${footer.dataOffset}: not a sector of this file.`;
    throw corrupt(footer.dataOffset % BigInt(SECTOR) === 0n ? 'truncated' : 'bad-reference', message, 16);
  }
  const headerOffset = Number(footer.dataOffset);
  const bytes = await readBytes(source, headerOffset, dynamicHeader.size, 'The dynamic header');
  const header = dynamicHeader.decode(bytes, headerOffset);
  if (header.cookie !== DYNAMIC_COOKIE) {
    throw corrupt('bad-header', `There is no dynamic header ('${DYNAMIC_COOKIE}').`, headerOffset);
  }
  if (headerChecksum(bytes) !== header.checksum) {
    throw corrupt('bad-checksum', 'The checksum of the dynamic header does not hold.', headerOffset + 36);
  }
  if (header.headerVersion !== VERSION_1_0) {
    const version = header.headerVersion.toString(16).padStart(8, '0');
    throw new UnsupportedFeatureError('unsupported-version', `Dynamic header version 0x${version}.`, {
      format: 'vhd',
      fileOffset: headerOffset + 24,
      hint: 'Only version 1.0 (0x00010000) is known.',
    });
  }
  if (!isPowerOfTwo(header.blockSize) || header.blockSize < SECTOR || header.blockSize > MAX_BLOCK_SIZE) {
    const message = `Block size ${header.blockSize} is not a power of two from 512 bytes to 256 MiB.`;
    throw corrupt('bad-header', message, headerOffset + 32);
  }
  if (header.tableOffset % SECTOR !== 0) {
    const message = `The block allocation table begins at ${header.tableOffset}, not on a sector.`;
    throw corrupt('bad-reference', message, headerOffset + 16);
  }
  return { header, headerOffset };
}

/** How many entries the disk needs, after checking that the table has them and not absurdly many more. */
function requireTableSize(
  header: DynamicHeader,
  headerOffset: number,
  virtualSize: number,
  maxBytes: number,
): number {
  const { blockSize, maxTableEntries } = header;
  const needed = ceilDiv(virtualSize, blockSize);
  const ceiling = Math.max(needed, ceilDiv(MAX_VIRTUAL_SIZE, blockSize)) + 1;
  if (maxTableEntries < needed || maxTableEntries > ceiling) {
    throw corrupt(
      'bad-table',
      `The block allocation table has ${maxTableEntries} entries; a disk of ${virtualSize} bytes needs ${needed}.`,
      headerOffset + 28,
    );
  }
  if (needed * 4 > maxBytes) {
    throw new BudgetError('over-budget', `The block allocation table takes ${needed * 4} bytes.`, {
      format: 'vhd',
      fileOffset: headerOffset + 28,
      hint: `At most ${maxBytes} bytes are read; --max-metadata sets less or, up to ${MAX_TABLE_BYTES}, more.`,
    });
  }
  return needed;
}

function details(
  footer: VhdFooter,
  rule: SizeRule,
  own: { type: string; 'block-size'?: number; 'parent-uuid'?: string },
): ImageDetails {
  const { cylinders, heads, sectorsPerTrack, currentSize, originalSize, uniqueId } = footer;
  return {
    originalSize,
    specific: {
      subformat: own.type,
      creator: footer.creatorApplication.replaceAll('\0', ' ').trim(),
      'creator-version': `${footer.creatorVersion >>> 16}.${footer.creatorVersion & 0xffff}`,
      'creator-os': footer.creatorHostOs.replaceAll('\0', ' ').trim(),
      'current-size': currentSize,
      'chs-size': virtualSizeBy('chs', footer),
      'original-size': originalSize,
      'size-rule': rule,
      geometry: { cylinders, heads, 'sectors-per-track': sectorsPerTrack },
      'block-size': own['block-size'],
      'parent-uuid': own['parent-uuid'],
      uuid: uuidText(uniqueId),
      'time-stamp': fromSeconds2000(footer.timeStamp),
    },
  };
}

const uuidText = (uuid: Uint8Array): string =>
  Buffer.from(uuid)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

const corrupt = (
  code: 'truncated' | 'bad-header' | 'bad-checksum' | 'bad-reference' | 'bad-table',
  message: string,
  fileOffset: number,
) => new CorruptImageError(code, message, { format: 'vhd', fileOffset });
