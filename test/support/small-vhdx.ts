/** VHDX images made by hand, as the specification has them: with parents, and with logs in every state. */

import { Buffer } from 'node:buffer';
import { KiB, MiB } from '../../src/binary/align.ts';
import { guidText } from '../../src/binary/guid.ts';
import {
  BlockState,
  DATA_SIGNATURE,
  Guid,
  guidBytes,
  HEADER_OFFSETS,
  LOG_SIGNATURE,
  logDescriptor,
  logEntryHeader,
  MetadataFlag,
  metadataEntry,
  metadataTableHeader,
  ParameterFlag,
  parentLocatorEntry,
  parentLocatorHeader,
  SECTOR_SIGNATURE,
  sealed,
  vhdxHeader,
  ZERO_SIGNATURE,
} from '../../src/formats/vhdx/structs.ts';
import { fixtureBytes, fixtureNamed } from './fixtures.ts';
import { seededGuest } from './seeded-guest.ts';

/** Where QEMU puts things, in images with blocks of 1 MiB. */
export const LOG = MiB;
export const BAT = 2 * MiB;
export const METADATA = 3 * MiB;
const LOG_LENGTH = MiB;
const SECTOR = 4 * KiB;

export const LOG_GUID = new Uint8Array(16).fill(0x5a);

/** What an entry of the log does; bytes are 4 KiB, and without any the range becomes zeros. */
export interface Update {
  readonly fileOffset: number;
  readonly bytes?: Uint8Array;
  readonly zeros?: number;
}

export interface EntryDraft {
  readonly sequenceNumber: bigint;
  /** Offset in the log of the first entry of its sequence. */
  readonly tail: number;
  readonly updates: readonly Update[];
  readonly guid?: Uint8Array;
  readonly flushedFileOffset?: number;
  readonly lastFileOffset?: number;
}

/** The bytes of a log entry, whole sectors. */
export function logEntry(draft: EntryDraft): Buffer {
  const { sequenceNumber, tail, updates, guid = LOG_GUID, flushedFileOffset = 0, lastFileOffset = 0 } = draft;
  const data = updates.filter(({ bytes }) => bytes !== undefined);
  const head = Math.ceil((logEntryHeader.size + updates.length * logDescriptor.size) / SECTOR) * SECTOR;
  const entry = Buffer.alloc(head + data.length * SECTOR);
  entry.set(
    logEntryHeader.encode({
      signature: LOG_SIGNATURE,
      checksum: 0,
      entryLength: entry.length,
      tail,
      sequenceNumber,
      descriptorCount: updates.length,
      reserved: 0,
      logGuid: guid,
      flushedFileOffset: BigInt(flushedFileOffset),
      lastFileOffset: BigInt(lastFileOffset),
    }),
  );
  for (const [index, { fileOffset, bytes, zeros = 0 }] of updates.entries()) {
    const descriptor = {
      signature: bytes ? DATA_SIGNATURE : ZERO_SIGNATURE,
      trailing: bytes?.slice(SECTOR - 4) ?? new Uint8Array(4),
      leading: bytes ? Buffer.from(bytes).readBigUInt64LE(0) : BigInt(zeros),
      fileOffset: BigInt(fileOffset),
      sequenceNumber,
    };
    entry.set(logDescriptor.encode(descriptor), logEntryHeader.size + index * logDescriptor.size);
  }
  for (const [index, { bytes }] of data.entries()) {
    const at = head + index * SECTOR;
    entry.set(bytes as Uint8Array, at);
    entry.write(SECTOR_SIGNATURE, at, 'latin1');
    entry.writeUInt32LE(Number(sequenceNumber >> 32n), at + 4);
    entry.writeUInt32LE(Number(sequenceNumber & 0xffff_ffffn), at + SECTOR - 4);
  }
  sealed(entry, logEntryHeader.fields.checksum.at);
  return entry;
}

/** Puts entries into the log, each at its offset there, around its end if need be; and marks the log as in use. */
export function withLog(
  image: Uint8Array,
  entries: readonly (readonly [at: number, entry: Uint8Array])[],
): Buffer {
  const bytes = Buffer.from(image);
  bytes.fill(0, LOG, LOG + LOG_LENGTH);
  for (const [at, entry] of entries) {
    const room = Math.min(entry.length, LOG_LENGTH - at);
    bytes.set(entry.subarray(0, room), LOG + at);
    bytes.set(entry.subarray(room), LOG);
  }
  for (const at of HEADER_OFFSETS) {
    bytes.set(LOG_GUID, at + vhdxHeader.fields.logGuid.at);
    sealed(bytes.subarray(at, at + vhdxHeader.size), vhdxHeader.fields.checksum.at);
  }
  return bytes;
}

/** Three blocks of 1 MiB, by QEMU: 0, 4 and 9 of 13. */
export const cleanVhdx = (): Uint8Array => fixtureBytes(fixtureNamed('vhdx/any-order'));

/** The first sector of the table as it is in the image. */
export const tableSector = (image: Uint8Array): Buffer => Buffer.from(image.subarray(BAT, BAT + SECTOR));

/** The same disk, but its table is in the log only. */
export function smallDirtyVhdx(): Buffer {
  const image = cleanVhdx();
  const updates = [{ fileOffset: BAT, bytes: tableSector(image) }];
  const dirty = withLog(image, [[0, logEntry({ sequenceNumber: 7n, tail: 0, updates })]]);
  return dirty.fill(0, BAT, BAT + SECTOR);
}

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');

/** A parent locator as Hyper-V writes it. */
export function parentLocator(values: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(values);
  const header = { locatorType: guidBytes(Guid.vhdxParent), reserved: 0, keyValueCount: entries.length };
  const parts = [Buffer.from(parentLocatorHeader.encode(header))];
  const texts: Buffer[] = [];
  let offset = parentLocatorHeader.size + entries.length * parentLocatorEntry.size;
  for (const [key, value] of entries) {
    const [keyBytes, valueBytes] = [utf16(key), utf16(value)];
    const entry = {
      keyOffset: offset,
      valueOffset: offset + keyBytes.length,
      keyLength: keyBytes.length,
      valueLength: valueBytes.length,
    };
    parts.push(Buffer.from(parentLocatorEntry.encode(entry)));
    texts.push(keyBytes, valueBytes);
    offset += keyBytes.length + valueBytes.length;
  }
  return Buffer.concat([...parts, ...texts]);
}

/** The DataWriteGuid of an image, as text: that of the header that was written last. */
export function linkageOf(image: Uint8Array): string {
  const headers = HEADER_OFFSETS.map((at) => vhdxHeader.decode(image.subarray(at), at));
  headers.sort((a, b) => (a.sequenceNumber > b.sequenceNumber ? -1 : 1));
  return guidText(headers[0]?.dataWriteGuid as Uint8Array);
}

/** What each block of the child is, of blocks of 1 MiB; the others are its parent's. */
export const CHILD_BLOCKS = { whole: 1, some: 4, zero: 9, unmapped: 10, somePastParent: 12 } as const;

/**
 * A differencing disk over {@link cleanVhdx}: one block of its own, two of which it has some sectors, two of zeros.
 * @param values what its parent locator says, beside the linkage
 */
export function smallDifferencingVhdx(
  values: Readonly<Record<string, string>> = { relative_path: '.\\parent.vhdx' },
) {
  const parent = cleanVhdx();
  const dataAt = 4 * MiB;
  const image = Buffer.concat([parent.subarray(0, dataAt), Buffer.alloc(4 * MiB)]);
  const entry = (index: number, state: number, fileOffset: number): void => {
    image.writeBigUInt64LE(BigInt(fileOffset) + BigInt(state), BAT + index * 8);
  };
  image.fill(0, BAT, BAT + MiB);
  entry(CHILD_BLOCKS.whole, BlockState.fullyPresent, dataAt);
  entry(CHILD_BLOCKS.some, BlockState.partiallyPresent, dataAt + MiB);
  entry(CHILD_BLOCKS.zero, BlockState.zero, 0);
  entry(CHILD_BLOCKS.unmapped, BlockState.unmapped, 0);
  entry(CHILD_BLOCKS.somePastParent, BlockState.partiallyPresent, dataAt + 2 * MiB);
  // The sector bitmap of the only chunk stands behind its 4096 blocks.
  entry(4096, 6, dataAt + 3 * MiB);
  image.set(seededGuest(3 * MiB, 77, 40_000), dataAt);
  const bitmap = dataAt + 3 * MiB;
  // Sectors 1 to 3 and 16 to 31 of one block, every other one of the first 64 of the other.
  const bits = (block: number) => bitmap + block * (MiB / 512 / 8);
  image.set([0b0000_1110, 0, 0xff, 0xff], bits(CHILD_BLOCKS.some));
  image.fill(0b0101_0101, bits(CHILD_BLOCKS.somePastParent), bits(CHILD_BLOCKS.somePastParent) + 8);
  const locator = parentLocator({ parent_linkage: `{${linkageOf(parent)}}`, ...values });
  addItem(image, Guid.parentLocator, locator);
  setFlags(image, ParameterFlag.hasParent);
  return { image, parent };
}

/** Adds an item that is required to the metadata, where there is room. */
function addItem(image: Buffer, guid: string, item: Uint8Array): void {
  const count = image.readUInt16LE(METADATA + metadataTableHeader.fields.entryCount.at);
  const offset = 128 * KiB;
  const entry = {
    itemId: guidBytes(guid),
    offset,
    length: item.length,
    flags: MetadataFlag.isRequired,
    reserved2: 0,
  };
  image.set(metadataEntry.encode(entry), METADATA + (count + 1) * metadataEntry.size);
  image.writeUInt16LE(count + 1, METADATA + metadataTableHeader.fields.entryCount.at);
  image.set(item, METADATA + offset);
}

/** Of the file parameters, which QEMU writes first. */
function setFlags(image: Buffer, flags: number): void {
  image.writeUInt32LE(flags, METADATA + 64 * KiB + 4);
}
