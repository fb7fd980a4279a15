/** A compressed grain: a marker of 12 bytes, a zlib stream, and zeros up to the next sector. */

import { alignUp, SECTOR } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { CorruptImageError } from '../../errors.ts';
import type { Placement } from '../../image/appender.ts';
import { frontierAt } from '../../image/frontier.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { corrupt } from './errors.ts';
import { grainMarker } from './structs.ts';

/** Bytes of a whole record. */
export const recordLength = (payloadLength: number): number =>
  alignUp(grainMarker.size + payloadLength, SECTOR);

/** zlib's own bound for its least compact settings: nothing that it makes of a grain is longer. */
export const maxPayloadLength = (grainSize: number): number =>
  grainSize + Math.ceil(grainSize / 8) + Math.ceil(grainSize / 64) + 16;

/** Bytes of the longest record. */
export const maxRecordLength = (grainSize: number): number => recordLength(maxPayloadLength(grainSize));

export function placeGrain(fileOffset: number, payloadLength: number): Placement {
  const end = fileOffset + recordLength(payloadLength);
  return { fileOffset, end, next: frontierAt(end) };
}

/** A record as parts: its payload is used in place. */
export function frameGrain(firstSector: number, payload: Uint8Array): readonly Uint8Array[] {
  const marker = grainMarker.encode({ lba: firstSector, dataSize: payload.length });
  return [marker, payload, new Uint8Array(recordLength(payload.length) - marker.length - payload.length)];
}

/** The payload's length that a marker tells. @throws CorruptImageError `bad-reference`, `bad-header` */
function requireMarker(bytes: Uint8Array, fileOffset: number, guest: GrainPlace, grainSize: number): number {
  const { lba, dataSize } = grainMarker.decode(bytes, fileOffset);
  const { guestOffset } = guest;
  if (lba * SECTOR !== guestOffset - guest.extentStart) {
    const message = `The grain is that of sector ${lba}, expected ${(guestOffset - guest.extentStart) / SECTOR}.`;
    throw corrupt('bad-reference', message, fileOffset, { guestOffset });
  }
  if (dataSize > 0 && dataSize <= maxPayloadLength(grainSize)) return dataSize;
  const message = `A payload of ${dataSize} bytes for a grain of ${grainSize} is not possible.`;
  throw corrupt('bad-header', message, fileOffset + grainMarker.fields.dataSize.at, { guestOffset });
}

/** Where a grain belongs: on the disk, and where the extent begins that it is of. */
export interface GrainPlace {
  readonly guestOffset: number;
  readonly extentStart: number;
}

/** Bytes of the record at `fileOffset`, by its marker. @throws CorruptImageError */
export async function readStoredLength(
  source: ByteSource,
  fileOffset: number,
  guest: GrainPlace,
  grainSize: number,
): Promise<number> {
  const marker = await readBytes(source, fileOffset, grainMarker.size, 'A grain');
  return grainMarker.size + requireMarker(marker, fileOffset, guest, grainSize);
}

/**
 * Decodes a record into all of `into`.
 * @param stored from its marker on, perhaps with bytes behind it
 * @param length guest bytes of the grain: of the last one of a disk, writers compress no more
 * @throws CorruptImageError `bad-reference`, `bad-header`, `bad-data`
 */
export function unpackGrain(
  stored: Uint8Array,
  fileOffset: number,
  guest: GrainPlace,
  length: number,
  into: Uint8Array,
): void {
  const end = grainMarker.size + requireMarker(stored, fileOffset, guest, into.length);
  if (end > stored.length) {
    const message = `The marker tells a payload up to byte ${fileOffset + end}, where the next grain stands.`;
    throw corrupt('bad-header', message, fileOffset + grainMarker.fields.dataSize.at, guest);
  }
  const payload = stored.subarray(grainMarker.size, end);
  try {
    codecOf('zlib').unpack(payload, into);
  } catch (error) {
    if (!(error instanceof CorruptImageError) || length === into.length) throw error;
    codecOf('zlib').unpack(payload, into.subarray(0, length));
    into.fill(0, length);
  }
}
