/**
 * What an upload is given: the bytes of a converted image, made while they leave. No file holds them.
 *
 * A layout's file is **addressable**: its size is known, and any range can be made in any order, any number of times.
 * An appender's is **sequential**: where a record stands follows from those before it, so parts are made in order; what
 * has been found out on the way makes a part again without them.
 */

import type { FormatName } from '../formats/index.ts';
import type { Note } from '../image/reader.ts';
import type { OutputPlan } from './plan.ts';

/** A range of the output file that is uploaded in one go. */
export interface Part {
  /** 1, 2, 3, … in the order of the file, as stores count them. */
  readonly number: number;
  /** File offset. */
  readonly start: number;
  /** Bytes. */
  readonly length: number;
  /**
   * Of a sequential output: what has been found out while this part was made, as a short text for a journal. With all
   * of them another process goes on behind the last one ({@link PartsOptions.found}).
   */
  readonly found?: string;
  /**
   * Its bytes, the same each time. Those of the first call may be at hand; later ones are made again, so that a part
   * under way is kept by its reader only.
   * @throws CancelledError, and what reading the source throws
   */
  read(signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Takes back what `read` has given, so that another part is made in its place: memory is that of the parts under way.
   * Nobody may look at the bytes any more. May be left out.
   */
  release(bytes: Uint8Array<ArrayBuffer>): void;
}

/** What a part of a sequential output has left in a journal. */
export interface FoundPart {
  /** File offset of the part. */
  readonly start: number;
  readonly found: string;
}

export interface PartsOptions {
  /** Numbers of parts that are stored already: they are left out. */
  readonly skip?: ReadonlySet<number>;
  /** Of a sequential output: what an earlier run has found, from its start and without a gap, in the order of that run. */
  readonly found?: readonly FoundPart[];
  readonly signal?: AbortSignal;
  /** Called when a part has been made, in the order in which they are. */
  readonly onProgress?: (progress: PreparedProgress) => void;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PreparedProgress) => void;
}

export interface PreparedProgress {
  /** Guest bytes that are behind, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes of the output that have been made. */
  readonly madeBytes: number;
}

interface Output extends AsyncDisposable {
  readonly format: FormatName;
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** The output as data: with it, `prepare` makes the same bytes of the same source, anywhere. */
  readonly plan: OutputPlan;
  /** What a user should know of the source, or of what was done. */
  readonly notes: readonly Note[];
  /**
   * The parts of a file that is cut every `partSize` bytes; the last is shorter. They come as they are asked for, with
   * little read ahead, mostly in the order of the file (of a sequential output, one that is complete only later comes
   * later). Several may be under way, and `read` in any order.
   * @throws OptionError `bad-option` for a part size of less than 64 KiB; what reading the source throws
   */
  parts(partSize: number, options?: PartsOptions): AsyncIterable<Part>;
  /**
   * The file from its start. One whose head is known last is made in a temporary file first.
   * Errors are those of {@link Output.parts}.
   */
  stream(options?: StreamOptions): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** @throws ImageIoError `source-changed` when a file that it is made of is no longer what was opened */
  requireUnchanged(): Promise<void>;
  /** Ends threads, and closes what `prepare` has opened. */
  close(): Promise<void>;
}

/** Any range at any time: raw, VHD, qcow2 that is not compressed. */
export interface AddressableOutput extends Output {
  readonly kind: 'addressable';
  /** Bytes of the file, exactly. */
  readonly size: number;
  /**
   * The bytes [start, end) of the file, for 0 ≤ start ≤ end ≤ size.
   * @throws OptionError `bad-size`, CancelledError, and what reading the source throws
   */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** One part after the other: ZVHD, ZVHD2, compressed qcow2. */
export interface SequentialOutput extends Output {
  readonly kind: 'sequential';
  /** Bytes of the file, at most. */
  readonly maxSize: number;
  /** Is part 1 the last one that is made? It has the head, which tells where the tables are. */
  readonly isHeadLast: boolean;
}

export type PreparedOutput = AddressableOutput | SequentialOutput;
