/**
 * File map of the VHDX images that we write, everything on whole MiB:
 *
 *     header section (1 MiB): identifier │ header, twice │ region table, twice
 *     log (1 MiB, empty) │ metadata (1 MiB) │ BAT │ blocks
 *
 * A fixed image has all blocks in order; a dynamic one those that hold data, in the order of the disk.
 */

import { Buffer } from 'node:buffer';
import { alignUp, KiB, MiB } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import { type Allocation, rankInOrder } from '../../image/allocation.ts';
import type { Identity } from '../../image/identity.ts';
import type { Layout } from '../../image/layout.ts';
import { bytesSection, paddingSection, type Section, tableSection } from '../../image/section.ts';
import { type TableOrder, tableOrder } from './block-table.ts';
import {
  BlockState,
  ENTRY_SIZE,
  FILE_SIGNATURE,
  fileIdentifier,
  fileParameters,
  Guid,
  guidBytes,
  HEADER_SIGNATURE,
  MAX_VIRTUAL_SIZE,
  METADATA_SIGNATURE,
  MetadataFlag,
  metadataEntry,
  metadataTableHeader,
  ParameterFlag,
  REGION_SIGNATURE,
  regionEntry,
  regionTableHeader,
  sealed,
  TABLE_SIZE,
  vhdxHeader,
} from './structs.ts';

const LOG_OFFSET = MiB;
const LOG_LENGTH = MiB;
const METADATA_OFFSET = LOG_OFFSET + LOG_LENGTH;
const METADATA_LENGTH = MiB;
const BAT_OFFSET = METADATA_OFFSET + METADATA_LENGTH;
/** What today's disks have, whatever sectors they show: Hyper-V's default. */
const PHYSICAL_SECTOR_SIZE = 4096;

export interface VhdxOptions {
  readonly subformat: 'dynamic' | 'fixed';
  readonly blockSize: number;
  readonly logicalSectorSize: number;
}

/** @throws OptionError `bad-size` over 64 TiB, for a disk of no bytes, or for one of broken sectors */
export function vhdxLayout(virtualSize: number, options: VhdxOptions): Layout {
  const { subformat, blockSize, logicalSectorSize } = options;
  if (virtualSize > MAX_VIRTUAL_SIZE || virtualSize === 0) {
    throw new OptionError('bad-size', `A VHDX cannot hold a disk of ${virtualSize} bytes.`, {
      format: 'vhdx',
      hint: 'It holds 512 bytes to 64 TiB.',
    });
  }
  if (virtualSize % logicalSectorSize !== 0) {
    const message = `A disk of ${virtualSize} bytes has no whole sectors of ${logicalSectorSize} bytes.`;
    throw new OptionError('bad-size', message, {
      format: 'vhdx',
      hint: 'Leave logical_sector_size out, or give a size that is a multiple of it.',
    });
  }
  const isFixed = subformat === 'fixed';
  const order = tableOrder({
    tableOffset: BAT_OFFSET,
    blockSize,
    virtualSize,
    logicalSectorSize,
    hasParent: false,
  });
  const tableLength = alignUp(order.entryCount * ENTRY_SIZE, MiB);
  const dataStart = BAT_OFFSET + tableLength;
  return {
    kind: 'layout',
    virtualSize,
    // Blocks that all have their place need not be whole ones.
    unit: isFixed ? 64 * KiB : blockSize,
    dataStart,
    placement: isFixed ? 'in-place' : 'packed',
    blockHead: new Uint8Array(0),
    sections: (allocation, identity) => ({
      head: [
        ...headerSections(tableLength, identity),
        ...metadataSections(virtualSize, options, identity),
        isFixed
          ? blockTable(order, (block) => dataStart + block * blockSize)
          : blockTable(order, placesOf(allocation, dataStart, blockSize)),
        paddingSection(BAT_OFFSET + order.entryCount * ENTRY_SIZE, MiB),
      ],
      // Blocks are whole, the last one too.
      tail: isFixed ? [paddingSection(virtualSize, blockSize)] : [],
    }),
  };
}

/** The parts of a stretch, each up to a multiple of `unit`. */
const padded = (start: number, section: Section, unit: number): Section[] => [
  section,
  paddingSection(start + section.length, unit),
];

function headerSections(tableLength: number, identity: Identity): Section[] {
  const identifier = fileIdentifier.encode({ signature: FILE_SIGNATURE, creator: creator() });
  const regions = bytesSection('region table', regionTable(tableLength));
  return [
    ...padded(0, bytesSection('file type identifier', identifier), 64 * KiB),
    ...padded(64 * KiB, bytesSection('header 1', headerBytes(1n, identity)), 64 * KiB),
    ...padded(128 * KiB, bytesSection('header 2', headerBytes(2n, identity)), 64 * KiB),
    regions,
    regions,
    paddingSection(320 * KiB, MiB),
    { name: 'log', length: LOG_LENGTH, render: () => {} },
  ];
}

function creator(): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes.set(Buffer.from('diskimg', 'utf16le'));
  return bytes;
}

const headerBytes = (sequenceNumber: bigint, { uuid }: Identity): Uint8Array =>
  sealed(
    vhdxHeader.encode({
      signature: HEADER_SIGNATURE,
      checksum: 0,
      sequenceNumber,
      fileWriteGuid: uuid,
      dataWriteGuid: uuid,
      logGuid: new Uint8Array(16),
      logVersion: 0,
      version: 1,
      logLength: LOG_LENGTH,
      logOffset: LOG_OFFSET,
      reserved: new Uint8Array(4016),
    }),
    vhdxHeader.fields.checksum.at,
  );

function regionTable(tableLength: number): Uint8Array {
  const table = new Uint8Array(TABLE_SIZE);
  const regions = [
    { guid: guidBytes(Guid.bat), fileOffset: BAT_OFFSET, length: tableLength, required: 1 },
    { guid: guidBytes(Guid.metadata), fileOffset: METADATA_OFFSET, length: METADATA_LENGTH, required: 1 },
  ];
  const header = { signature: REGION_SIGNATURE, checksum: 0, entryCount: regions.length, reserved: 0 };
  table.set(regionTableHeader.encode(header));
  for (const [index, region] of regions.entries()) {
    table.set(regionEntry.encode(region), regionTableHeader.size + index * regionEntry.size);
  }
  return sealed(table, regionTableHeader.fields.checksum.at);
}

function metadataSections(virtualSize: number, options: VhdxOptions, { uuid }: Identity): Section[] {
  const { blockSize, subformat, logicalSectorSize } = options;
  const flags = subformat === 'fixed' ? ParameterFlag.leaveBlocksAllocated : 0;
  const { isVirtualDisk, isRequired } = MetadataFlag;
  const ofDisk = isVirtualDisk + isRequired;
  const items = [
    { guid: Guid.fileParameters, flags: isRequired, bytes: fileParameters.encode({ blockSize, flags }) },
    { guid: Guid.virtualDiskSize, flags: ofDisk, bytes: littleEndian(8, virtualSize) },
    { guid: Guid.virtualDiskId, flags: ofDisk, bytes: uuid },
    { guid: Guid.logicalSectorSize, flags: ofDisk, bytes: littleEndian(4, logicalSectorSize) },
    { guid: Guid.physicalSectorSize, flags: ofDisk, bytes: littleEndian(4, PHYSICAL_SECTOR_SIZE) },
  ];
  const table = new Uint8Array(TABLE_SIZE);
  const header = { signature: METADATA_SIGNATURE, reserved: 0, entryCount: items.length };
  table.set(metadataTableHeader.encode({ ...header, reserved2: new Uint8Array(20) }));
  let offset = TABLE_SIZE;
  for (const [index, { guid, flags, bytes }] of items.entries()) {
    const entry = { itemId: guidBytes(guid), offset, length: bytes.length, flags, reserved2: 0 };
    table.set(metadataEntry.encode(entry), (index + 1) * metadataEntry.size);
    offset += bytes.length;
  }
  return [
    bytesSection('metadata table', table),
    bytesSection('metadata items', Buffer.concat(items.map(({ bytes }) => bytes))),
    paddingSection(METADATA_OFFSET + offset, MiB),
  ];
}

function littleEndian(size: 4 | 8, value: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 4) view.setUint32(0, value, true);
  else view.setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** Where stored blocks stand; undefined for the others. */
function placesOf(allocation: Allocation, dataStart: number, blockSize: number) {
  const rankOf = rankInOrder(allocation);
  return (block: number): number | undefined => {
    const rank = rankOf(block);
    return allocation.has(block) ? dataStart + rank * blockSize : undefined;
  };
}

/** The BAT. Entries of sector bitmaps, and of blocks without a place, are zero: not present. */
const blockTable = (order: TableOrder, placeOf: (block: number) => number | undefined): Section =>
  tableSection('BAT', order.entryCount, ENTRY_SIZE, (view, at, entry) => {
    const block = order.blockAt(entry);
    const place = block === undefined ? undefined : placeOf(block);
    if (place === undefined) return;
    const mib = place / MiB;
    view.setUint32(at, (mib % 4096) * MiB + BlockState.fullyPresent, true);
    view.setUint32(at + 4, Math.floor(mib / 4096), true);
  });
