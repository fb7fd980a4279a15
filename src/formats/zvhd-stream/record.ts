/** The record around a stored block of ZVHD and ZVHD2: header, payload, padding, end mark. */

import { alignUp } from '../../binary/align.ts';
import { bytes, chars, type Decoded, struct, u8, u32 } from '../../binary/struct.ts';
import { CorruptImageError } from '../../errors.ts';
import type { Placement } from '../../image/appender.ts';
import { frontierAt } from '../../image/frontier.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { PAGE } from './footer.ts';

export const recordHeader = struct('ZVHD record header', 48, 'little', {
  prefix: chars(0, 12), // 'hwstream bg\0'
  payloadLength: u32(12), // bytes
  blockNumber: u32(16),
  compressed: u8(20), // written as 0, ignored
  reserved: bytes(21, 3),
  originalSize: u32(24), // written as 0, ignored
  reserved2: bytes(28, 20),
});
export type RecordHeader = Decoded<typeof recordHeader>;

const PREFIX = 'hwstream bg\0';
const END_MARK = Uint8Array.from([0x65, 0x6e, 0x64, 0]); // 'end\0'
const HEADER_LENGTH = recordHeader.size;

/** Bytes of a whole record. */
export const recordLength = (payloadLength: number): number =>
  alignUp(HEADER_LENGTH + payloadLength + END_MARK.length, PAGE);

/** The longest payload that the formats' own readers have room for: incompressible data grows. */
const maxPayloadLength = (blockSize: number): number => 2 * blockSize + Math.floor(blockSize / 1000) + 128;

/** Bytes of the longest record. */
export const maxRecordLength = (blockSize: number): number => recordLength(maxPayloadLength(blockSize));

export function placeRecord(fileOffset: number, payloadLength: number): Placement {
  const end = fileOffset + recordLength(payloadLength);
  return { fileOffset, end, next: frontierAt(end) };
}

/** A record as parts: its payload is used in place. */
export function frameRecord(block: number, payload: readonly Uint8Array[]): readonly Uint8Array[] {
  const payloadLength = payload.reduce((sum, part) => sum + part.length, 0);
  const header = recordHeader.encode({
    prefix: PREFIX,
    payloadLength,
    blockNumber: block,
    compressed: 0,
    reserved: new Uint8Array(3),
    originalSize: 0,
    reserved2: new Uint8Array(20),
  });
  const end = new Uint8Array(recordLength(payloadLength) - HEADER_LENGTH - payloadLength);
  end.set(END_MARK, end.length - END_MARK.length);
  return [header, ...payload, end];
}

/** Where a record is expected, and for which messages. */
export interface RecordPlace {
  readonly format: string;
  readonly fileOffset: number;
  /** Bytes of a block of the disk. */
  readonly blockSize: number;
}

/** Decodes and checks a record's header. @throws CorruptImageError `bad-reference`, `bad-header`, `truncated` */
function requireRecordHeader(bytes: Uint8Array, place: RecordPlace): RecordHeader {
  const { format, fileOffset, blockSize } = place;
  const header = recordHeader.decode(bytes, fileOffset);
  if (header.prefix !== PREFIX) {
    throw new CorruptImageError('bad-reference', "No record begins here ('hwstream bg').", {
      format,
      fileOffset,
    });
  }
  const { payloadLength, blockNumber } = header;
  if (payloadLength === 0 || payloadLength > maxPayloadLength(blockSize)) {
    throw new CorruptImageError(
      'bad-header',
      `A payload of ${payloadLength} bytes for one block is not possible.`,
      {
        format,
        fileOffset: fileOffset + recordHeader.fields.payloadLength.at,
        guestOffset: blockNumber * blockSize,
      },
    );
  }
  return header;
}

/** A record's header, and where the record ends, its padding included. */
export interface RecordHead {
  readonly header: RecordHeader;
  readonly end: number;
}

/** The head of the record at a place, of which `bytes` are the first. @throws CorruptImageError */
export function requireRecordHead(bytes: Uint8Array, place: RecordPlace): RecordHead {
  const header = requireRecordHeader(bytes, place);
  return { header, end: place.fileOffset + recordLength(header.payloadLength) };
}

/** The same, read. @throws CorruptImageError */
export const readRecordHead = async (source: ByteSource, place: RecordPlace): Promise<RecordHead> =>
  requireRecordHead(await readBytes(source, place.fileOffset, recordHeader.size, 'A record'), place);

/** Reads the mark of a record that ends at `end`. @throws CorruptImageError `bad-data`, `truncated` */
export async function requireRecordEnd(source: ByteSource, format: string, end: number): Promise<void> {
  const mark = await readBytes(source, end - END_MARK.length, END_MARK.length, 'A record');
  requireEndMark(mark, format, end);
}

/** @throws CorruptImageError `bad-data` unless `mark`, the last 4 bytes of a record that ends at `end`, says so */
function requireEndMark(mark: Uint8Array, format: string, end: number): void {
  if (END_MARK.every((byte, i) => mark[i] === byte)) return;
  throw new CorruptImageError('bad-data', "The record does not end with its mark ('end').", {
    format,
    fileOffset: end - END_MARK.length,
    hint: 'The image is damaged here: fetch it again.',
  });
}

/** The payload of a whole record. @throws CorruptImageError when its header or its end is not in order */
export function payloadOf(record: Uint8Array, block: number, place: RecordPlace): Uint8Array {
  const { format, fileOffset } = place;
  const { payloadLength, blockNumber } = requireRecordHeader(record, place);
  if (blockNumber !== block) {
    throw new CorruptImageError(
      'bad-reference',
      `The record is of block ${blockNumber}, expected ${block}.`,
      {
        format,
        fileOffset: fileOffset + recordHeader.fields.blockNumber.at,
        guestOffset: block * place.blockSize,
      },
    );
  }
  if (recordLength(payloadLength) !== record.length) {
    const message = `The record has ${recordLength(payloadLength)} bytes, expected ${record.length}.`;
    throw new CorruptImageError('bad-reference', message, { format, fileOffset });
  }
  requireEndMark(record.subarray(-END_MARK.length), format, fileOffset + record.length);
  return record.subarray(HEADER_LENGTH, HEADER_LENGTH + payloadLength);
}
