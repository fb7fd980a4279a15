/**
 * The log: metadata that was about to be written when whoever used the file went away ([MS-VHDX] 2.3). Its entries are
 * found and judged here; what they write is shown over the file by replayed.ts, and the file stays as it is.
 */

import { alignUp, isAligned, KiB } from '../../binary/align.ts';
import { BudgetError, CorruptImageError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import {
  checksumOf,
  DATA_SIGNATURE,
  hasSignature,
  LOG_SIGNATURE,
  logDescriptor,
  logEntryHeader,
  SECTOR_SIGNATURE,
  type VhdxHeader,
  ZERO_SIGNATURE,
} from './structs.ts';

/** Logs are written in sectors of this many bytes. */
export const LOG_SECTOR = 4 * KiB;
/** Hyper-V's logs have one MiB, QEMU's too unless it is asked for more. */
const MAX_LOG_BYTES = 64 * 1024 * KiB;
/** Sound entries stand side by side: who makes us sum the same bytes again and again is no writer of logs. */
const MAX_SUMS = 16;

/** A range of the file that gets new bytes; without them, zeros. */
export interface LogWrite {
  readonly fileOffset: number;
  readonly length: number;
  readonly bytes?: Uint8Array;
}

/** The sequence of entries that counts. */
export interface ActiveLog {
  /** In the order in which they are to be written. */
  readonly writes: readonly LogWrite[];
  readonly entryCount: number;
  /** Bytes that the file has at least when all is written. */
  readonly lastFileOffset: number;
}

interface LogEntry {
  /** Offset in the log. */
  readonly start: number;
  readonly length: number;
  readonly tail: number;
  readonly sequenceNumber: bigint;
  readonly flushedFileOffset: number;
  readonly lastFileOffset: number;
  readonly writes: readonly LogWrite[];
}

/**
 * The active sequence of the log.
 * @throws CorruptImageError `bad-table` when no sequence is whole, `truncated` when the file is shorter than it was
 * @throws BudgetError `over-budget`
 */
export async function readActiveLog(
  source: ByteSource,
  header: VhdxHeader,
  maxMetadataBytes: number,
): Promise<ActiveLog> {
  const { logOffset, logLength } = header;
  const most = Math.min(MAX_LOG_BYTES, maxMetadataBytes);
  if (logLength > most) {
    throw new BudgetError('over-budget', `The log takes ${logLength} bytes.`, {
      format: 'vhdx',
      fileOffset: logOffset,
      hint: `At most ${most} bytes are read; --max-metadata sets less or, up to ${MAX_LOG_BYTES}, more.`,
    });
  }
  const log = await readBytes(source, logOffset, logLength, 'The log');
  const sequence = activeSequence(log, header);
  const head = sequence.at(-1);
  if (head === undefined) {
    throw new CorruptImageError('bad-table', 'The log is not empty, but nothing in it is whole.', {
      format: 'vhdx',
      fileOffset: logOffset,
      hint: 'What was being written when the file was last used is lost. Find an older copy of it.',
    });
  }
  if (source.size < head.flushedFileOffset) {
    throw new CorruptImageError(
      'truncated',
      `The log tells of a file of ${head.flushedFileOffset} bytes, but this one has only ${source.size}.`,
      {
        format: 'vhdx',
        fileOffset: source.size,
        hint: 'The file is probably an incomplete download or copy: fetch it again.',
      },
    );
  }
  return {
    writes: sequence.flatMap(({ writes }) => writes),
    entryCount: sequence.length,
    lastFileOffset: head.lastFileOffset,
  };
}

/** The whole sequence of entries that was written last; empty without any. */
function activeSequence(log: Uint8Array, header: VhdxHeader): readonly LogEntry[] {
  const entryAt = entryReader(log, header);
  let active: readonly LogEntry[] = [];
  for (let tail = 0; tail < log.length; ) {
    const sequence = sequenceFrom(tail, entryAt, log.length);
    const head = sequence.at(-1);
    const isWhole = head !== undefined && sequence.some(({ start }) => start === head.tail);
    if (!isWhole) {
      tail += LOG_SECTOR;
      continue;
    }
    if (head.sequenceNumber > (active.at(-1)?.sequenceNumber ?? 0n)) {
      active = sequence.slice(sequence.findIndex(({ start }) => start === head.tail));
    }
    const next = (head.start + head.length) % log.length;
    if (next <= tail) break;
    tail = next;
  }
  return active;
}

/** The entries from `start` on that follow each other, in number and in place. */
function sequenceFrom(
  start: number,
  entryAt: (start: number) => LogEntry | undefined,
  logLength: number,
): LogEntry[] {
  const sequence: LogEntry[] = [];
  let total = 0;
  for (let at = start; total < logLength; ) {
    const entry = entryAt(at);
    const before = sequence.at(-1);
    if (entry === undefined || total + entry.length > logLength) break;
    if (before !== undefined && entry.sequenceNumber !== before.sequenceNumber + 1n) break;
    sequence.push(entry);
    total += entry.length;
    at = (at + entry.length) % logLength;
  }
  return sequence;
}

/** Reads entries, each once. */
function entryReader(log: Uint8Array, header: VhdxHeader): (start: number) => LogEntry | undefined {
  const known = new Map<number, LogEntry | undefined>();
  let summed = 0;
  const requireFewSums = (length: number): void => {
    summed += length;
    if (summed <= MAX_SUMS * log.length) return;
    throw new CorruptImageError('bad-table', 'The entries of the log claim the same bytes again and again.', {
      format: 'vhdx',
      fileOffset: header.logOffset,
      hint: 'No program writes such a log: the file was made to waste time.',
    });
  };
  return (start) => {
    if (!known.has(start)) known.set(start, decodeEntry(log, start, header, requireFewSums));
    return known.get(start);
  };
}

/** The entry at `start`, or undefined when there is none that is whole. */
function decodeEntry(
  log: Uint8Array,
  start: number,
  { logGuid, logOffset }: VhdxHeader,
  requireFewSums: (length: number) => void,
): LogEntry | undefined {
  const headerBytes = log.subarray(start, start + logEntryHeader.size);
  if (!hasSignature(headerBytes, LOG_SIGNATURE)) return undefined;
  const header = logEntryHeader.decode(headerBytes, logOffset + start);
  const { entryLength, tail, sequenceNumber, descriptorCount } = header;
  const isPossible =
    header.logGuid.every((byte, at) => byte === logGuid[at]) &&
    sequenceNumber > 0n &&
    entryLength > 0 &&
    isAligned(entryLength, LOG_SECTOR) &&
    entryLength <= log.length &&
    isAligned(tail, LOG_SECTOR) &&
    tail < log.length &&
    isFileSize(header.flushedFileOffset) &&
    isFileSize(header.lastFileOffset);
  if (!isPossible) return undefined;
  const dataStart = alignUp(logEntryHeader.size + descriptorCount * logDescriptor.size, LOG_SECTOR);
  if (dataStart > entryLength) return undefined;
  requireFewSums(entryLength);
  const bytes = unwrapped(log, start, entryLength);
  if (checksumOf(bytes, logEntryHeader.fields.checksum.at) !== header.checksum) return undefined;
  const writes = writesOf(bytes, descriptorCount, dataStart, sequenceNumber);
  return (
    writes && {
      start,
      length: entryLength,
      tail,
      sequenceNumber,
      flushedFileOffset: Number(header.flushedFileOffset),
      lastFileOffset: Number(header.lastFileOffset),
      writes,
    }
  );
}

/** Bytes of the ring from `start` on, in a row. */
function unwrapped(log: Uint8Array, start: number, length: number): Uint8Array {
  if (start + length <= log.length) return log.subarray(start, start + length);
  const bytes = new Uint8Array(length);
  bytes.set(log.subarray(start));
  bytes.set(log.subarray(0, start + length - log.length), log.length - start);
  return bytes;
}

/** What the descriptors of an entry say, or undefined when one of them is not possible. */
function writesOf(
  entry: Uint8Array,
  descriptorCount: number,
  dataStart: number,
  sequenceNumber: bigint,
): readonly LogWrite[] | undefined {
  const writes: LogWrite[] = [];
  let sectorAt = dataStart;
  for (let index = 0; index < descriptorCount; index++) {
    const at = logEntryHeader.size + index * logDescriptor.size;
    const descriptor = logDescriptor.decode(entry.subarray(at), at);
    const { signature, leading, trailing } = descriptor;
    if (descriptor.sequenceNumber !== sequenceNumber || !isPlace(descriptor.fileOffset)) return undefined;
    const fileOffset = Number(descriptor.fileOffset);
    if (signature === ZERO_SIGNATURE) {
      if (!isPlace(leading) || !isFileSize(descriptor.fileOffset + leading)) return undefined;
      writes.push({ fileOffset, length: Number(leading) });
    } else if (signature === DATA_SIGNATURE) {
      const sector = entry.subarray(sectorAt, sectorAt + LOG_SECTOR);
      sectorAt += LOG_SECTOR;
      if (!isSectorOf(sector, sequenceNumber)) return undefined;
      const bytes = sector.slice();
      new DataView(bytes.buffer).setBigUint64(0, leading, true);
      bytes.set(trailing, LOG_SECTOR - trailing.length);
      writes.push({ fileOffset, length: LOG_SECTOR, bytes });
    } else {
      return undefined;
    }
  }
  return writes;
}

/** Does the data sector belong to the entry of that number? */
function isSectorOf(sector: Uint8Array, sequenceNumber: bigint): boolean {
  if (sector.length < LOG_SECTOR || !hasSignature(sector, SECTOR_SIGNATURE)) return false;
  const view = new DataView(sector.buffer, sector.byteOffset, LOG_SECTOR);
  const high = BigInt(view.getUint32(4, true));
  return high * 2n ** 32n + BigInt(view.getUint32(LOG_SECTOR - 4, true)) === sequenceNumber;
}

const isFileSize = (value: bigint): boolean => value <= BigInt(Number.MAX_SAFE_INTEGER);
const isPlace = (value: bigint): boolean => isFileSize(value) && value % BigInt(LOG_SECTOR) === 0n;
