/** Converts an image into an image file of another format, or of the same. */

import { randomBytes } from 'node:crypto';
import { isAligned } from './binary/align.ts';
import { MAX_EXPANSION } from './conversion/expansion.ts';
import { createOutput, sharedMemory } from './conversion/output.ts';
import { type Progress, runConversion } from './conversion/run.ts';
import { type LostRange, mergeLosses, salvagedImage } from './conversion/salvage.ts';
import { outputSize, requireZerosFrom } from './conversion/size.ts';
import { createTurnstile } from './conversion/turnstile.ts';
import { BudgetError, CancelledError, OptionError, requireNotAborted } from './errors.ts';
import {
  type CreateOptions,
  type FormatName,
  type WritableName,
  writableFormatNamed,
} from './formats/index.ts';
import { contentIdentity, freshIdentity } from './identity.ts';
import { resolveOptions } from './image/options.ts';
import type { Note } from './image/reader.ts';
import type { Writer, WriterContext } from './image/writer.ts';
import { createFileOutput, type FileOutput, openExistingOutput, requireOtherFile } from './io/file-output.ts';
import { openFileTarget } from './io/file-target.ts';
import { holdingPath } from './io/source.ts';
import {
  type ImageInput,
  type OpenedImage,
  type OpenImageOptions,
  openImages,
  threadsToRead,
} from './open.ts';
import { type Encrypting, outputEncryption } from './output-encryption.ts';
import { type BackingFile, type ChainBase, findInChain, overlayBase } from './overlay-base.ts';
import type { Passphrase } from './passphrase.ts';
import { sameDigest } from './verify.ts';
import type { Job } from './workers/job.ts';
import type { JobImage } from './workers/job-image.ts';
import { createPool, requireThreads } from './workers/pool.ts';

/** A format, and what can be chosen when it is written. */
export type OutputFormat = {
  [N in WritableName]: { readonly format: N; readonly options?: CreateOptions<N> };
}[WritableName];

export type ConvertOptions = OutputFormat & {
  /** How to open the input; by default its bytes tell. */
  readonly input?: OpenImageOptions;
  /**
   * The output's virtual size in bytes, by default the input's; `original` is the size that a ZVHD or ZVHD2
   * remembers. Growing adds zeros. Shrinking is possible over zeros only.
   */
  readonly size?: number | 'original';
  /** Worker threads, by default about as many as the machine runs at once. The output does not depend on it. */
  readonly threads?: number;
  /**
   * Zeros are found in steps of this many bytes, a multiple of 512, and left out of the file, which is then sparse;
   * 4096 by default. 0: the file has no holes. (A compressed qcow2 may have gaps all the same.)
   */
  readonly sparseSize?: number;
  /**
   * Is the output flushed to its disk before it gets its name? True by default; without it a crash of the machine,
   * not of the program, can leave an incomplete file under the name.
   */
  readonly flush?: boolean;
  /**
   * Write into a raw file or a block device that is there, at least as large as the disk, instead of making a file.
   * All of the disk is written, zeros too; what lies behind it stays. A conversion that fails leaves it half written.
   */
  readonly existing?: boolean;
  /**
   * Keep this image of the input's chain as what the output builds on, and write only what stands above it. For
   * formats that have overlays.
   */
  readonly backing?: BackingFile;
  /**
   * Read the output back through its own reader, and compare the digest of its disk with the input's, before it gets
   * its name. Not for an existing file.
   */
  readonly verify?: boolean;
  /** For formats and options that encrypt (`encryptFormat`): what will open the output. */
  readonly outputPassphrase?: Passphrase;
  /** The largest output file in bytes; no limit by default. */
  readonly maxOutputBytes?: number;
  /** Stops with a BudgetError after this time. */
  readonly timeoutSeconds?: number;
  /** How many times larger than its files the data of the input may be, above 1 GiB; 4000 by default. */
  readonly maxExpansion?: number;
  /** Take UUID and time from the content and `timestamp` (seconds since 1970), not from chance and clock. */
  readonly reproducible?: { readonly timestamp: number };
  readonly signal?: AbortSignal;
  /** Called after each task, in guest order, and not more often than every 4 MiB of data. */
  readonly onProgress?: (progress: Progress) => void;
};

export interface ConvertReport {
  readonly inputFormat: FormatName;
  readonly outputFormat: FormatName;
  /** Bytes that the guest sees, before and after. */
  readonly inputVirtualSize: number;
  readonly virtualSize: number;
  /** Bytes of the output file. */
  readonly fileSize: number;
  /** The digest of the disk (`diskimg-1:…`), the same before and after, with `verify`. */
  readonly digest?: string;
  /** Guest ranges that could not be read and are zeros in the output; left out unless the input is salvaged. */
  readonly lost?: readonly LostRange[];
  /** What a user should know of the input, or of what was done. */
  readonly notes: readonly Note[];
}

/** @throws BudgetError */
function requireOutputBytes(written: number, most: number): void {
  if (written <= most) return;
  throw new BudgetError('over-budget', `The output has more than ${most} bytes.`, {
    hint: 'Allow more with --max-output, or choose a compressed format.',
  });
}

/** As qemu-img: a run of zeros this long is left out of a sparse file. */
const DEFAULT_SPARSE_SIZE = 4096;

/**
 * Converts `input`, or several one behind the other, into the file `outputPath`, on threads of its own if there is
 * much to do. The file appears under its name when it is complete and flushed; an existing one is replaced then, and
 * not before.
 * @throws ImageError and its classes: see {@link openImage} for the input; OptionError `bad-option`, `bad-size`,
 * `data-past-size` for what is asked; ImageIoError `write-failed`, `same-file`, `source-changed`;
 * CancelledError when `signal` was aborted
 */
export async function convert(
  input: ImageInput | readonly ImageInput[],
  outputPath: string,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const { timeoutSeconds, signal } = options;
  if (timeoutSeconds === undefined) return convertWhole(input, outputPath, options);
  const deadline = AbortSignal.timeout(timeoutSeconds * 1000);
  const both = signal ? AbortSignal.any([signal, deadline]) : deadline;
  return convertWhole(input, outputPath, { ...options, signal: both }).catch((error) => {
    if (!(error instanceof CancelledError) || !deadline.aborted) throw error;
    throw new BudgetError('over-budget', `The conversion took longer than ${timeoutSeconds} s.`, {
      hint: 'Allow more with --timeout.',
      cause: error,
    });
  });
}

async function convertWhole(
  input: ImageInput | readonly ImageInput[],
  outputPath: string,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const settings = settingsOf(options);
  if (options.existing) requireInPlace(settings.format.name);
  if (options.verify) requireComparable(options);
  requireNotAborted(options.signal);
  await using image = await openImages(inputsOf(input), options.input);
  const size = outputSize(image, options.size, settings.format.sizeUnit);
  const { backing } = options;
  const overlay = backing && {
    base: await overlayBase(outputPath, settings.format, backing),
    chain: await findInChain(image, outputPath, backing),
  };
  const writerIn = (context: WriterContext) =>
    settings.format.writer(size.bytes, settings.createOptions, context);
  writerIn({ base: overlay?.base }); // what is not possible is told before a passphrase is asked for
  const encrypting = await encryptionOf(outputPath, settings, options);
  const context = { base: overlay?.base, encryption: encrypting?.encryption };
  const writer = writerIn(context);
  for (const path of image.reopen ? filesOf(image.reopen) : []) await requireOtherFile(path, outputPath);
  // What is lost behind the end of the output is nobody's loss.
  const readable = options.input?.salvage ? salvagedImage(image, () => {}) : image;
  await requireZerosFrom(readable, size.bytes, options.signal);

  const file = options.existing
    ? await openExistingOutput(outputPath, size.bytes, settings)
    : await createFileOutput(outputPath, randomBytes(4).toString('hex'), settings);
  try {
    const lost: LostRange[] = [];
    const fileSize = await writeImage(
      image,
      { writer, context, chain: overlay?.chain, outputPath },
      file,
      settings,
      options,
      (range) => {
        lost.push(range);
      },
    );
    await file.resize(fileSize);
    const digest = options.verify
      ? await sameDigest(
          image,
          { path: file.partialPath, format: settings.format.name, passphrase: encrypting?.passphrase },
          size.bytes,
          options,
        )
      : undefined;
    await image.requireUnchanged();
    requireNotAborted(options.signal);
    await file.commit(options.signal);
    return {
      inputFormat: image.format,
      outputFormat: settings.format.name,
      inputVirtualSize: image.virtualSize,
      virtualSize: size.bytes,
      fileSize,
      ...(digest !== undefined && { digest }),
      ...(options.input?.salvage && { lost: mergeLosses(lost) }),
      notes: [...image.notes, ...size.notes],
    };
  } finally {
    await file.abandon();
  }
}

const inputsOf = (input: ImageInput | readonly ImageInput[]): readonly ImageInput[] =>
  isList(input) ? input : [input];

const isList = (input: ImageInput | readonly ImageInput[]): input is readonly ImageInput[] =>
  Array.isArray(input);

/** All files that are read. */
function filesOf(image: JobImage): string[] {
  if ('parts' in image) return image.parts.flatMap(filesOf);
  const { dataFiles, backing } = image;
  const own = [image, ...dataFiles.values()].flatMap(({ descriptor }) => holdingPath(descriptor) ?? []);
  return [...own, ...(backing ? filesOf(backing) : [])];
}

/** @throws OptionError `bad-option` for what would not be the same bytes each time */
async function encryptionOf(
  outputPath: string,
  { format: { name: format }, createOptions }: Settings,
  { outputPassphrase, reproducible }: ConvertOptions,
): Promise<Encrypting | undefined> {
  if (reproducible === undefined || createOptions.encryptFormat === undefined) {
    return outputEncryption({ name: outputPath, format }, createOptions, outputPassphrase);
  }
  throw new OptionError(
    'bad-option',
    'What is encrypted cannot be reproducible: its key is made by chance.',
    {
      format,
      hint: 'Leave one of the two out.',
    },
  );
}

/** What is written, and how. */
interface Output {
  readonly writer: Writer;
  readonly context: WriterContext;
  /** Where what it builds on stands in the input's chain. */
  readonly chain: ChainBase | undefined;
  readonly outputPath: string;
}

/** What is asked for, checked and complete. */
interface Settings {
  readonly format: ReturnType<typeof writableFormatNamed>;
  readonly createOptions: Readonly<Record<string, unknown>>;
  /** Undefined: as many as suit the writer. */
  readonly threads: number | undefined;
  readonly sparseSize: number;
  readonly flushes: boolean;
}

/** @throws OptionError `bad-option` */
function settingsOf(options: ConvertOptions): Settings {
  const format = writableFormatNamed(options.format);
  return {
    format,
    createOptions: resolveOptions(format.createOptions, options.options ?? {}, format.name),
    threads: requireThreads(options.threads),
    // Nobody knows what an existing file holds: its zeros are written too.
    sparseSize: options.existing ? 0 : requireSparseSize(options.sparseSize ?? DEFAULT_SPARSE_SIZE),
    flushes: options.flush ?? true,
  };
}

/** Writes all of the image into the file under construction; returns how long that file is to be. */
async function writeImage(
  image: OpenedImage,
  { writer, context, chain, outputPath }: Output,
  file: FileOutput,
  { format, createOptions, threads, sparseSize }: Settings,
  { input, reproducible, signal, onProgress, maxOutputBytes = Infinity, maxExpansion }: ConvertOptions,
  onLoss: (range: LostRange) => void,
): Promise<number> {
  const { virtualSize } = writer;
  const output = createOutput(writer);
  const turnstile = createTurnstile(writer.dataStart);
  const how = { sparseSize, salvage: input?.salvage ?? false, digests: reproducible !== undefined };
  const startPool = (source: JobImage) => () => {
    const job: Job = {
      kind: 'convert',
      source,
      target: file.partialPath,
      writer: { format: format.name, virtualSize, options: createOptions, context },
      shared: { turnstile: turnstile.memory, stored: sharedMemory(output) },
      ...how,
    };
    // Every thread decodes a sequential image from its start: that pays only where compressing takes longer.
    return createPool(
      job,
      image.isSequential && writer.kind === 'layout' ? 1 : (threads ?? threadsToRead(image)),
    );
  };
  const target = openFileTarget(file.partialPath);
  try {
    return await runConversion({
      image,
      target,
      output,
      turnstile,
      ...how,
      onLoss,
      maxExpansion: maxExpansion ?? MAX_EXPANSION,
      base: chain,
      signal,
      onProgress(progress) {
        requireOutputBytes(progress.writtenBytes, maxOutputBytes);
        file.writeBack(progress.writtenBytes);
        onProgress?.(progress);
      },
      startPool: image.reopen && startPool(image.reopen),
      identify: (digest) =>
        reproducible
          ? contentIdentity(digest, format.name, virtualSize, reproducible.timestamp)
          : freshIdentity(outputPath),
    });
  } finally {
    await target.close();
  }
}

/** @throws OptionError `bad-option` for outputs that are not the same disk as the input */
function requireComparable({ input, backing, existing }: ConvertOptions): void {
  if (!input?.salvage && !backing && !existing) return;
  const what = backing ? 'An overlay' : existing ? 'An existing file' : 'What is salvaged';
  throw new OptionError('bad-option', `${what} cannot be verified against its source.`, {
    hint: 'Leave --verify out, and compare with diskimg compare.',
  });
}

/** Other formats have tables, which would stand between what the file held before. */
function requireInPlace(format: FormatName): void {
  if (format === 'raw') return;
  throw new OptionError('bad-option', `Only raw is written into an existing file, not ${format}.`, {
    format,
    hint: 'Leave -n out: the output is then a new file.',
  });
}

function requireSparseSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= 0 && isAligned(size, 512)) return size;
  throw new OptionError('bad-option', `A sparse size of ${size} bytes is not possible.`, {
    hint: 'Use a multiple of 512, or 0 for a file without holes.',
  });
}
