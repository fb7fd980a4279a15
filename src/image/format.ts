/** What a format is: how to recognise it, read it and, mostly, write it. One folder each under `formats/`. */

import type { ByteEditor } from '../io/editor.ts';
import type { ByteSource } from '../io/source.ts';
import type { CheckFigures, CheckRequest } from './check.ts';
import type { OptionSpecs, OptionValues } from './options.ts';
import type { ImageReader } from './reader.ts';
import type { Writer, WriterContext } from './writer.ts';

/** The bytes by which formats are told apart. */
export interface ProbeSample {
  /** The first {@link PROBE_LENGTH} bytes, fewer in a smaller file. */
  readonly head: Uint8Array;
  /** The last {@link PROBE_LENGTH} bytes, fewer in a smaller file. */
  readonly tail: Uint8Array;
  readonly size: number;
}

/** Bytes at each end that {@link Format.probe} sees. */
export const PROBE_LENGTH = 512;

/** How the key of an encrypted image is had. Neither of the two is ever part of a message, an error or a report. */
export type Unlock =
  /** Asked for only where the image needs one. */
  | { readonly passphrase: () => Promise<Uint8Array> }
  /** {@link ImageReader.volumeKey} of an image that was unlocked before. */
  | { readonly volumeKey: Uint8Array };

/** What a reader is given beside the file and the format's own options. */
export interface OpenContext {
  /** Opens a file that holds data of the image, as the image names it. Without it such an image is only described. */
  readonly openDataFile?: (name: string) => Promise<ByteSource>;
  /**
   * Read on past damage: an image is then opened if any of it can be read, and what cannot be told or decoded fails
   * when it is asked for.
   */
  readonly salvage?: boolean;
  /** Bytes that the tables of one image may take in memory. */
  readonly maxMetadataBytes?: number;
  /** Without it an encrypted image is only described, and has {@link ImageReader.obstacle}. */
  readonly unlock?: Unlock;
}

export interface Format<
  Name extends string = string,
  OpenSpecs extends OptionSpecs = OptionSpecs,
  CreateSpecs extends OptionSpecs = OptionSpecs,
> {
  readonly name: Name;
  /** One line for people. */
  readonly title: string;
  /** Other names that users know it by. */
  readonly aliases: readonly string[];
  /** File name endings, the first one preferred. */
  readonly suffixes: readonly string[];
  /** `optional`: there is a create option `compress`. */
  readonly compression: 'never' | 'optional' | 'always';
  /**
   * Does it tell zeros that were written from what was never written? Where it does not, a hole counts as present, as
   * qemu-img has it.
   */
  readonly tellsHoles?: boolean;
  /** Virtual sizes that it writes are multiples of this, in bytes. */
  readonly sizeUnit: number;
  readonly openOptions: OpenSpecs;
  readonly createOptions: CreateSpecs;
  /** Do the bytes claim to be of this format, broken or not? Pure, and never throws. */
  probe(sample: ProbeSample): boolean;
  /**
   * Reads and checks the metadata that every read needs.
   * @throws CorruptImageError, UnsupportedFeatureError, BudgetError, ImageIoError
   */
  open(source: ByteSource, options: OptionValues<OpenSpecs>, context?: OpenContext): Promise<ImageReader>;
  /** Are there images of this format that build on another one, the {@link WriterContext.base} of their writer? */
  readonly hasOverlays?: true;
  /**
   * Walks all metadata and reports what contradicts it; opens nothing that the image names. Left out by a format that
   * has nothing to check.
   * @throws UnknownFormatError, CorruptImageError, UnsupportedFeatureError when not even a walk is possible
   * @throws BudgetError, CancelledError, ImageIoError
   */
  check?(source: ByteSource, request: CheckRequest<OptionValues<OpenSpecs>>): Promise<CheckFigures>;
  /**
   * Grows the disk of an image in place to `virtualSize`, a multiple of {@link Format.sizeUnit} and more than it has.
   * Writes metadata and zeros only; wherever it stops, the file is an image of the old size or of the new one, with the
   * same bytes. Left out by a format that cannot.
   * @throws UnsupportedFeatureError, CorruptImageError, OptionError before anything is written
   */
  grow?(file: ByteEditor, virtualSize: number): Promise<void>;
}

/** A format that is written, too. */
export interface WritableFormat<
  Name extends string = string,
  OpenSpecs extends OptionSpecs = OptionSpecs,
  CreateSpecs extends OptionSpecs = OptionSpecs,
> extends Format<Name, OpenSpecs, CreateSpecs> {
  /**
   * The writer for a disk of `virtualSize` bytes, a multiple of {@link Format.sizeUnit}. Pure: the same arguments
   * give the same writer on every thread.
   * @throws OptionError when the format cannot hold the size, or options contradict each other
   */
  writer(virtualSize: number, options: OptionValues<CreateSpecs>, context: WriterContext): Writer;
}

/** Declares a format; infers the types of its options. */
export const defineFormat = <const N extends string, O extends OptionSpecs, C extends OptionSpecs>(
  format: WritableFormat<N, O, C>,
): WritableFormat<N, O, C> => format;

/** Declares a format that is read only. */
export const defineReadOnlyFormat = <const N extends string, O extends OptionSpecs>(
  format: Omit<
    Format<N, O, Record<never, never>>,
    'createOptions' | 'compression' | 'sizeUnit' | 'hasOverlays'
  >,
): Format<N, O, Record<never, never>> => ({
  ...format,
  createOptions: {},
  compression: 'never',
  sizeUnit: 1,
});
