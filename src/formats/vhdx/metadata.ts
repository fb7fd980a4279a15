/** The metadata region: a table, and the items that describe the disk ([MS-VHDX] 2.6). */

import { isPowerOfTwo, MiB } from '../../binary/align.ts';
import { guidText } from '../../binary/guid.ts';
import { CorruptImageError, type ErrorCode, UnsupportedFeatureError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import type { Region } from './regions.ts';
import {
  fileParameters,
  Guid,
  hasSignature,
  MAX_BLOCK_SIZE,
  MAX_ITEM_LENGTH,
  MAX_TABLE_ENTRIES,
  MAX_VIRTUAL_SIZE,
  METADATA_SIGNATURE,
  MetadataFlag,
  MIN_BLOCK_SIZE,
  metadataEntry,
  metadataTableHeader,
  ParameterFlag,
  TABLE_SIZE,
} from './structs.ts';

/** Where an item's bytes stand. */
export interface ItemPlace {
  readonly fileOffset: number;
  readonly length: number;
  /** File offset of its entry in the table. */
  readonly referredAt: number;
}

export interface DiskMetadata {
  readonly blockSize: number;
  /** The image is fixed: no block is ever given up. */
  readonly isFixed: boolean;
  readonly hasParent: boolean;
  /** Bytes. */
  readonly virtualSize: number;
  readonly virtualDiskId: string;
  /** 512 or 4096. */
  readonly logicalSectorSize: number;
  readonly physicalSectorSize: number;
  /** There when `hasParent` says so. */
  readonly parentLocator?: ItemPlace;
}

/**
 * @throws CorruptImageError `bad-table`, `bad-reference`, `bad-header`
 * @throws UnsupportedFeatureError `unsupported-feature` for an item that is not known and has to be
 */
export async function readMetadata(source: ByteSource, region: Region): Promise<DiskMetadata> {
  const items = await readItems(source, region);
  const item = async (guid: string, name: string, length: number) => {
    const place = items.get(guid);
    if (place === undefined) throw corrupt('bad-table', `The metadata has no ${name}.`, region.start);
    if (place.length < length) {
      const message = `The ${name} has ${place.length} bytes, expected ${length}.`;
      throw corrupt('bad-table', message, place.referredAt + metadataEntry.fields.length.at);
    }
    const bytes = await readBytes(source, place.fileOffset, length, `The ${name}`);
    return { bytes, view: new DataView(bytes.buffer), place };
  };

  const parameters = await item(Guid.fileParameters, 'file parameters', fileParameters.size);
  const { blockSize, flags } = fileParameters.decode(parameters.bytes, parameters.place.fileOffset);
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
    const message = `Block size ${blockSize} is not a power of two from 1 to 256 MiB.`;
    throw corrupt('bad-header', message, parameters.place.fileOffset);
  }
  const known = ParameterFlag.hasParent + ParameterFlag.leaveBlocksAllocated;
  if (flags > known) {
    const place = parameters.place.fileOffset + fileParameters.fields.flags.at;
    throw unknownFlags('The list of file parameters', flags, place);
  }

  const sectorSize = async (guid: string, name: string) => {
    const { view, place } = await item(guid, name, 4);
    const size = view.getUint32(0, true);
    if (size === 512 || size === 4096) return size;
    throw corrupt('bad-header', `The ${name} is ${size}, expected 512 or 4096 bytes.`, place.fileOffset);
  };
  const logicalSectorSize = await sectorSize(Guid.logicalSectorSize, 'logical sector size');
  const physicalSectorSize = await sectorSize(Guid.physicalSectorSize, 'physical sector size');

  const size = await item(Guid.virtualDiskSize, 'virtual disk size', 8);
  const virtualSize = Number(size.view.getBigUint64(0, true));
  if (virtualSize === 0 || virtualSize > MAX_VIRTUAL_SIZE || virtualSize % logicalSectorSize !== 0) {
    const message = `The disk size is ${virtualSize} bytes, expected whole sectors of ${logicalSectorSize}, at most 64 TiB.`;
    throw corrupt('bad-header', message, size.place.fileOffset);
  }

  const diskId = await item(Guid.virtualDiskId, 'virtual disk ID', 16);
  const hasParent = (flags & ParameterFlag.hasParent) !== 0;
  const parentLocator = items.get(Guid.parentLocator);
  if (hasParent && parentLocator === undefined) {
    throw corrupt('bad-table', 'The image has a parent, but no parent locator.', region.start);
  }
  return {
    blockSize,
    isFixed: !hasParent && (flags & ParameterFlag.leaveBlocksAllocated) !== 0,
    hasParent,
    virtualSize,
    virtualDiskId: guidText(diskId.bytes),
    logicalSectorSize,
    physicalSectorSize,
    ...(parentLocator && { parentLocator }),
  };
}

/** The system's items by their GUIDs; what belongs to users says nothing of the disk. */
async function readItems(source: ByteSource, region: Region): Promise<ReadonlyMap<string, ItemPlace>> {
  const table = await readBytes(source, region.start, TABLE_SIZE, 'The metadata table');
  if (!hasSignature(table, METADATA_SIGNATURE)) {
    throw corrupt('bad-header', `There is no metadata table ('${METADATA_SIGNATURE}').`, region.start);
  }
  const { entryCount } = metadataTableHeader.decode(table, region.start);
  if (entryCount > MAX_TABLE_ENTRIES) {
    const message = `The metadata table has ${entryCount} entries; ${MAX_TABLE_ENTRIES} are possible.`;
    throw corrupt('bad-table', message, region.start + metadataTableHeader.fields.entryCount.at);
  }
  const items = new Map<string, ItemPlace>();
  const places: ItemPlace[] = [];
  for (let index = 1; index <= entryCount; index++) {
    const at = index * metadataEntry.size;
    const referredAt = region.start + at;
    const { itemId, offset, length, flags } = metadataEntry.decode(table.subarray(at), referredAt);
    const guid = guidText(itemId);
    const isUser = (flags & MetadataFlag.isUser) !== 0;
    requirePossible(region, { offset, length }, guid, referredAt);
    places.push({ fileOffset: region.start + offset, length, referredAt });
    if (flags > KNOWN_FLAGS) throw unknownFlags('The metadata item', flags, referredAt);
    if (isUser || !knownItems.has(guid)) {
      if ((flags & MetadataFlag.isRequired) === 0) continue;
      throw new UnsupportedFeatureError('unsupported-feature', `The image needs the metadata item ${guid}.`, {
        format: 'vhdx',
        fileOffset: referredAt,
        hint: 'What it means is not known, and the image says that it matters.',
      });
    }
    if (items.has(guid)) throw corrupt('bad-table', `There are two metadata items ${guid}.`, referredAt);
    items.set(guid, { fileOffset: region.start + offset, length, referredAt });
  }
  requireApart(places);
  return items;
}

const KNOWN_FLAGS = MetadataFlag.isUser + MetadataFlag.isVirtualDisk + MetadataFlag.isRequired;

const unknownFlags = (what: string, flags: number, fileOffset: number): UnsupportedFeatureError =>
  new UnsupportedFeatureError(
    'unsupported-feature',
    `${what} has flags that are not known: 0x${flags.toString(16)}.`,
    {
      format: 'vhdx',
      fileOffset,
      hint: 'The image was written by something newer than version 1 of the format.',
    },
  );

/** @throws CorruptImageError `bad-reference` for items that share bytes */
function requireApart(places: ItemPlace[]): void {
  places.sort((a, b) => a.fileOffset - b.fileOffset);
  for (const [index, { fileOffset, referredAt }] of places.entries()) {
    const before = places[index - 1];
    if (before === undefined || before.fileOffset + before.length <= fileOffset) continue;
    const message = `Two metadata items share bytes from ${fileOffset} on.`;
    throw corrupt('bad-reference', message, referredAt + metadataEntry.fields.offset.at);
  }
}

const knownItems: ReadonlySet<string> = new Set([
  Guid.fileParameters,
  Guid.virtualDiskSize,
  Guid.virtualDiskId,
  Guid.logicalSectorSize,
  Guid.physicalSectorSize,
  Guid.parentLocator,
]);

function requirePossible(
  region: Region,
  { offset, length }: { readonly offset: number; readonly length: number },
  guid: string,
  referredAt: number,
): void {
  const isEmpty = length === 0 && offset === 0;
  const isInside = offset >= TABLE_SIZE && region.start + offset + length <= region.end;
  if (isEmpty || (isInside && length <= MAX_ITEM_LENGTH)) return;
  const most = MAX_ITEM_LENGTH / MiB;
  const message = `The metadata item ${guid}, ${length} bytes at ${offset} of its region, is not possible: it has at most ${most} MiB there, behind the table.`;
  throw corrupt('bad-reference', message, referredAt + metadataEntry.fields.offset.at);
}

const corrupt = (code: ErrorCode, message: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError(code, message, { format: 'vhdx', fileOffset });
