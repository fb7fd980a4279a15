/**
 * Reads VHDX, Hyper-V's format ([MS-VHDX]): fixed, dynamic and differencing. A log that is not empty is replayed in memory.
 */

import { MiB } from '../../binary/align.ts';
import { guidText } from '../../binary/guid.ts';
import { BudgetError, CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { BackingReference, ImageDetails, ImageReader, Note } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type BlockTable, readBlockTable, type TableShape, tableOrder } from './block-table.ts';
import { findHeader, isLogEmpty } from './headers.ts';
import { readActiveLog } from './log.ts';
import { type DiskMetadata, readMetadata } from './metadata.ts';
import { readParentLocator } from './parent.ts';
import { type Region, readRegions, requireApart } from './regions.ts';
import { replayedSource } from './replayed.ts';
import { BlockState, ENTRY_SIZE, HEADER_SECTION, MAX_BAT_BYTES, type VhdxHeader } from './structs.ts';

export async function openVhdx(
  file: ByteSource,
  _options: unknown,
  { salvage = false, maxMetadataBytes = MAX_BAT_BYTES }: OpenContext = {},
): Promise<ImageReader> {
  const { header, fileOffset, notes } = await findHeader(file);
  const isDirty = !isLogEmpty(header);
  const log = isDirty ? await readActiveLog(file, header, maxMetadataBytes) : undefined;
  const source = log ? replayedSource(file, log) : file;
  const regions = await readRegions(source);
  const reserved: readonly Region[] = [headerSection, logRegion(header, fileOffset), ...regions.all];
  requireApart(reserved);
  const metadata = await readMetadata(source, regions.metadata);
  const shape: TableShape = { ...metadata, tableOffset: regions.bat.start };
  requireTableSize(shape, regions.bat, maxMetadataBytes);
  const table = await readBlockTable(source, shape, reserved, salvage);
  const parent = metadata.parentLocator && metadata.hasParent ? metadata.parentLocator : undefined;
  const backing = parent && parentOf(await readParentLocator(source, parent), parent.fileOffset);
  return {
    virtualSize: metadata.virtualSize,
    unit: MiB,
    details: detailsOf(header, metadata, isDirty, backing),
    notes: [...notes, ...regions.notes, ...(log ? [replayNote(log.entryCount)] : [])],
    extents: (from, to) => extentsOf(source, shape, table, from, to),
    ...(backing && { backing }),
    // What the log writes may lie anywhere in the file.
    ...(log && { dataFiles: [source] }),
  };
}

export const headerSection: Region = {
  what: 'the header section',
  start: 0,
  end: HEADER_SECTION,
  referredAt: 0,
};

export const logRegion = ({ logOffset, logLength }: VhdxHeader, fileOffset: number): Region => ({
  what: 'the log',
  start: logOffset,
  end: logOffset + logLength,
  referredAt: fileOffset + 72,
});

const replayNote = (entryCount: number): Note => ({
  code: 'log-replayed',
  message: `The log was not empty: ${entryCount} of its entries are read as if they had been written to the file.`,
});

/** @throws CorruptImageError `bad-table`, BudgetError `over-budget` */
function requireTableSize(shape: TableShape, region: Region, maxMetadataBytes: number): void {
  const needed = tableOrder(shape).entryCount * ENTRY_SIZE;
  if (needed > region.end - region.start) {
    const message = `The block allocation table has ${region.end - region.start} bytes; the disk needs ${needed}.`;
    throw new CorruptImageError('bad-table', message, { format: 'vhdx', fileOffset: region.referredAt + 24 });
  }
  const most = Math.min(maxMetadataBytes, MAX_BAT_BYTES);
  if (needed <= most) return;
  throw new BudgetError('over-budget', `The block allocation table takes ${needed} bytes.`, {
    format: 'vhdx',
    fileOffset: region.start,
    hint: `At most ${most} bytes are read; --max-metadata sets less or, up to ${MAX_BAT_BYTES}, more.`,
  });
}

async function* extentsOf(
  source: ByteSource,
  shape: TableShape,
  table: BlockTable,
  from: number,
  to: number,
): AsyncGenerator<OwnExtent> {
  const { blockSize, hasParent } = shape;
  for (let guestOffset = from; guestOffset < to; ) {
    const block = Math.floor(guestOffset / blockSize);
    const start = block * blockSize;
    const length = Math.min(start + blockSize, to) - guestOffset;
    const { state, fileOffset } = table.block(block);
    if (state === BlockState.fullyPresent) {
      yield { kind: 'data', guestOffset, length, fileOffset: fileOffset + guestOffset - start };
    } else if (state === BlockState.partiallyPresent) {
      yield* sectorRuns(source, shape, table, block, guestOffset, length);
    } else if (!hasParent) {
      yield { kind: 'zero', guestOffset, length };
    } else if (state === BlockState.notPresent) {
      yield { kind: 'backing', guestOffset, length };
    } else {
      yield { kind: 'zero', guestOffset, length, explicit: true };
    }
    guestOffset += length;
  }
}

/** The sectors of a block in runs: set bits stand in this file. The first sector is the lowest bit of the first byte. */
async function* sectorRuns(
  source: ByteSource,
  { blockSize, logicalSectorSize }: TableShape,
  table: BlockTable,
  block: number,
  from: number,
  length: number,
): AsyncGenerator<OwnExtent> {
  const start = block * blockSize;
  const data = table.block(block).fileOffset + from - start;
  // The bitmap of a chunk fills a block of its own; reads begin at whole MiB, and so within whole bytes of it.
  const firstSector = (from - start + (block % table.chunkRatio) * blockSize) / logicalSectorSize;
  const sectors = length / logicalSectorSize;
  const place = table.bitmapOf(block) + firstSector / 8;
  const bitmap = await readBytes(source, place, Math.ceil(sectors / 8), 'A sector bitmap');
  const isHere = (sector: number): boolean =>
    (((bitmap[Math.floor(sector / 8)] as number) >>> (sector % 8)) & 1) === 1;
  for (let first = 0; first < sectors; ) {
    const here = isHere(first);
    let end = first + 1;
    while (end < sectors && isHere(end) === here) end++;
    const guestOffset = from + first * logicalSectorSize;
    const run = (end - first) * logicalSectorSize;
    yield here
      ? { kind: 'data', guestOffset, length: run, fileOffset: data + first * logicalSectorSize }
      : { kind: 'backing', guestOffset, length: run };
    first = end;
  }
}

function parentOf(
  { linkages, names }: { readonly linkages: readonly string[]; readonly names: readonly string[] },
  fileOffset: number,
): BackingReference {
  const message = `This is a differencing disk: it needs its parent, ${JSON.stringify(names[0] ?? '')}.`;
  return {
    kind: 'parent',
    names,
    format: 'vhdx',
    uuids: linkages,
    missing: (hint) =>
      new UnsupportedFeatureError('needs-parent', message, { format: 'vhdx', fileOffset, hint }),
  };
}

function detailsOf(
  header: VhdxHeader,
  metadata: DiskMetadata,
  isDirty: boolean,
  backing: BackingReference | undefined,
): ImageDetails {
  const { blockSize, isFixed, logicalSectorSize, physicalSectorSize, virtualDiskId } = metadata;
  const unparented = isFixed ? 'fixed' : 'dynamic';
  return {
    clusterSize: blockSize,
    ...(isDirty && { dirty: true }),
    ...(backing && {
      ...(backing.names[0] !== undefined && { backingFile: backing.names[0] }),
      backingFormat: 'vhdx',
    }),
    specific: {
      subformat: backing ? 'differencing' : unparented,
      'block-size': blockSize,
      'logical-sector-size': logicalSectorSize,
      'physical-sector-size': physicalSectorSize,
      'log-size': header.logLength,
      'virtual-disk-id': virtualDiskId,
      // The DataWriteGuid, by which children know their parent.
      uuid: guidText(header.dataWriteGuid),
      'file-write-guid': guidText(header.fileWriteGuid),
      'parent-uuid': backing?.uuids?.[0],
    },
  };
}
