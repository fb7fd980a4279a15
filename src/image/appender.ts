/**
 * Appenders: the writers of compressed formats. Where a block goes is known only once the blocks before it are
 * compressed; records are appended in guest order.
 *
 *     head │ records, from dataStart, one for each stored block │ tail
 *
 * The length of each block's payload, in guest order, is all that a conversion has to remember: where every record
 * stands follows from it.
 */

import { ceilDiv } from '../binary/align.ts';
import { type CodecName, codecOf } from '../codecs/index.ts';
import { OptionError } from '../errors.ts';
import type { Allocation } from './allocation.ts';
import { type Frontier, frontierAt } from './frontier.ts';
import type { Identity } from './identity.ts';

/** Where a record goes: [fileOffset, end). */
export interface Placement {
  readonly fileOffset: number;
  readonly end: number;
  /** The frontier behind it. A gap that it leaves reads as zeros, unless a later record fills it. */
  readonly next: Frontier;
}

export interface Appender {
  readonly kind: 'appender';
  /** Bytes of the virtual disk. */
  readonly virtualSize: number;
  /** Guest bytes in a block, a power of two; the last block is filled with zeros. */
  readonly unit: number;
  /** Bytes of the head: file offset of the first record. */
  readonly dataStart: number;
  /** Does the head tell what is known only when all records are there? */
  readonly isHeadLast: boolean;
  /** How workers compress a block. */
  readonly codec: CodecName;
  readonly level: number;
  /** Is a block that compression does not make smaller stored as it is (so its payload has `unit` bytes)? */
  readonly storesIncompressible: boolean;
  /** The place of the next record. Pure and cheap. */
  place(frontier: Frontier, payloadLength: number): Placement;
  /** The bytes of a record, exactly those of its placement. */
  frame(block: number, payload: Uint8Array, placement: Placement): readonly Uint8Array[];
  /** The first `dataStart` bytes of the file. */
  head(stored: StoredBlocks, identity: Identity): Uint8Array;
  /** What follows the last record, in order. */
  tail(stored: StoredBlocks, identity: Identity): Iterable<Uint8Array>;
  /** Bytes of the file with these blocks, if none of them compresses at all: it never has more. */
  maxFileSize(stored: Allocation): number;
}

/** The level to compress at: the one that is wanted, if the codec has it. @throws OptionError `bad-option` */
export function levelFor(codec: CodecName, wanted: number | undefined, format: string): number {
  const { min, max, default: standard } = codecOf(codec).levels;
  const level = wanted ?? standard;
  if (min <= level && level <= max) return level;
  throw new OptionError('bad-option', `compression_level=${level} is not possible for ${codec}.`, {
    format,
    hint: `Its levels are ${min} to ${max}.`,
  });
}

/** Blocks that share a mark: of a large disk most may not be stored. */
const STRIDE = 4096;

/** Payload lengths by block while they are found, 0 for a block that is not stored; shared between threads. */
export interface PayloadLengths {
  readonly lengths: Uint32Array<SharedArrayBuffer>;
  /** 1 where a block of the stride may be stored. Lengths that nobody looks at take no memory. */
  readonly strides: Uint8Array<SharedArrayBuffer>;
}

export const createPayloadLengths = (blockCount: number): PayloadLengths =>
  payloadLengthsOver(new SharedArrayBuffer(blockCount * 4 + ceilDiv(blockCount, STRIDE)), blockCount);

/** The same lengths on another thread. */
export const payloadLengthsOver = (memory: SharedArrayBuffer, blockCount: number): PayloadLengths => ({
  lengths: new Uint32Array(memory, 0, blockCount),
  strides: new Uint8Array(memory, blockCount * 4),
});

/** Each block by one thread, any block by any thread. */
export function setPayloadLength({ lengths, strides }: PayloadLengths, block: number, length: number): void {
  lengths[block] = length;
  strides[Math.floor(block / STRIDE)] = 1;
}

export interface StoredBlock extends Placement {
  readonly block: number;
  readonly payloadLength: number;
}

/** All records of a finished file, in the order in which they stand. */
export interface StoredBlocks {
  readonly blockCount: number;
  readonly storedCount: number;
  /** File offset behind the last record. */
  readonly dataEnd: number;
  has(block: number): boolean;
  /** The records in guest order; a format that fills gaps may have placed one before its predecessor. */
  records(): Generator<StoredBlock>;
}

/** @param payloads complete: they must not change from here on */
export function storedBlocks(appender: Appender, { lengths, strides }: PayloadLengths): StoredBlocks {
  function* records(): Generator<StoredBlock> {
    let frontier = frontierAt(appender.dataStart);
    for (let stride = strides.indexOf(1); stride >= 0; stride = strides.indexOf(1, stride + 1)) {
      const end = Math.min((stride + 1) * STRIDE, lengths.length);
      for (let block = stride * STRIDE; block < end; block++) {
        const payloadLength = lengths[block] as number;
        if (payloadLength === 0) continue;
        const placement = appender.place(frontier, payloadLength);
        yield { block, payloadLength, ...placement };
        frontier = placement.next;
      }
    }
  }
  let storedCount = 0;
  let dataEnd = appender.dataStart;
  for (const record of records()) {
    storedCount += 1;
    dataEnd = record.next.end;
  }
  return {
    blockCount: lengths.length,
    storedCount,
    dataEnd,
    has: (block) => lengths[block] !== 0,
    records,
  };
}
