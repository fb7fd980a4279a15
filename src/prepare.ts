/** Prepares a converted image for an upload: its bytes are made while they leave, and no file holds them. */

import { ceilDiv } from './binary/align.ts';
import { contentDigest } from './conversion/block-digest.ts';
import { type Executor, isWorthThreads, runTasks, staffed } from './conversion/executor.ts';
import { MAX_EXPANSION, withinExpansion } from './conversion/expansion.ts';
import { requireBlockCount } from './conversion/output.ts';
import { planShape, planTasks, type Task } from './conversion/plan.ts';
import { outputSize, requireZerosFrom } from './conversion/size.ts';
import { sharedExtents, surveyExtents, surveyor, surveyTasks } from './conversion/survey.ts';
import type { OutputFormat } from './convert.ts';
import { OptionError, requireNotAborted } from './errors.ts';
import { type FormatName, writableFormatNamed } from './formats/index.ts';
import { contentIdentity, freshIdentity } from './identity.ts';
import { type AllocationBits, createAllocationBits, freezeAllocation } from './image/allocation.ts';
import type { Appender } from './image/appender.ts';
import type { Identity } from './image/identity.ts';
import { type Layout, layOut } from './image/layout.ts';
import { resolveOptions } from './image/options.ts';
import type { Note } from './image/reader.ts';
import type { Writer } from './image/writer.ts';
import {
  type ImageInput,
  type OpenedImage,
  type OpenImageOptions,
  openImages,
  threadsToRead,
} from './open.ts';
import { addressableOutput } from './prepared/addressable.ts';
import { fingerprintOf, requireSameSource } from './prepared/fingerprint.ts';
import { encodeStored, markStoredRuns } from './prepared/lengths.ts';
import type { AddressableOutput, PreparedOutput, SequentialOutput } from './prepared/output.ts';
import { identityOfPlan, type OutputPlan, planIdentity, requirePlan } from './prepared/plan.ts';
import { sequentialOutput } from './prepared/sequential.ts';
import type { JobImage } from './workers/job-image.ts';
import type { SurveyJob } from './workers/job-kinds.ts';
import { createPool, requireThreads } from './workers/pool.ts';
import { openAppendShop, openRenderShop, type Reading } from './workers/shops.ts';

/** What is to be made: a format with its options, or a plan that an earlier `prepare` has made. */
export type PreparedKind =
  | (OutputFormat & {
      readonly plan?: undefined;
      /**
       * The output's virtual size in bytes, by default the input's; `original` is the size that a ZVHD or ZVHD2
       * remembers. Growing adds zeros. Shrinking is possible over zeros only.
       */
      readonly size?: number | 'original';
      /**
       * How blocks that hold data are found, where a format packs them: by the tables of the input, which takes no time
       * and stores zeros that the input stores; or by reading all of its data once, which makes the file as small as
       * `convert` does. By default `metadata`. Compressed formats find zeros as they go, in either case.
       */
      readonly scan?: 'metadata' | 'data';
      /**
       * Take UUID and time from the content and `timestamp` (seconds since 1970), not from chance and clock. Reads all
       * data once; with `scan: 'data'`, or a compressed format, the bytes are those of `convert`. With `from: 'source'`
       * the UUID is of what the source is known by (sizes, times, how its files begin and end): nothing more is read,
       * and a copy with another time gets another one.
       */
      readonly reproducible?: { readonly timestamp: number; readonly from?: 'content' | 'source' };
    })
  | { readonly plan: OutputPlan };

export type PrepareOptions = PreparedKind & {
  /** How to open the input; by default its bytes tell. With a plan: as it was opened for the plan. */
  readonly input?: OpenImageOptions;
  /** Worker threads, by default about as many as the machine runs at once. The output does not depend on it. */
  readonly threads?: number;
  /** How many times larger than its files the data of the input may be, above 1 GiB; 4000 by default. */
  readonly maxExpansion?: number;
  /** For the preparing itself; parts and streams have signals of their own. */
  readonly signal?: AbortSignal;
};

/**
 * Opens `input`, or several one behind the other, as an output that leaves in parts or as a stream. Close it when done,
 * or declare it with `await using`: it may have threads.
 * @throws ImageError and its classes: see {@link openImage} for the input; OptionError `bad-option`, `bad-size`,
 * `data-past-size` for what is asked; ImageIoError `source-changed` when the input is not that of the plan;
 * CancelledError when `signal` was aborted
 */
export async function prepare(
  input: ImageInput | readonly ImageInput[],
  options: PrepareOptions,
): Promise<PreparedOutput> {
  requireThreads(options.threads);
  requireNotAborted(options.signal);
  if (options.input?.salvage) {
    throw new OptionError(
      'bad-option',
      'What is salvaged cannot be prepared: its losses are known only at the end.',
      {
        hint: 'Convert it to a file first.',
      },
    );
  }
  const image = await openImages(Array.isArray(input) ? input : [input as ImageInput], options.input);
  try {
    const source: Source = {
      image,
      threads: image.isSequential ? 1 : (options.threads ?? threadsToRead(image)),
      maxExpansion: options.maxExpansion ?? MAX_EXPANSION,
      signal: options.signal,
    };
    const wanted =
      options.plan !== undefined
        ? await plannedOutput(source, requirePlan(options.plan))
        : await askedOutput(source, options);
    return wanted.writer.kind === 'layout'
      ? await addressable(source, { ...wanted, writer: wanted.writer })
      : await sequential(source, { ...wanted, writer: wanted.writer });
  } catch (error) {
    await image.close();
    throw error;
  }
}

/** The input, and how it is read. */
interface Source {
  readonly image: OpenedImage;
  readonly threads: number;
  readonly maxExpansion: number;
  readonly signal: AbortSignal | undefined;
}

/** An output of which everything is known that its bytes depend on. */
interface Wanted<W extends Writer = Writer> {
  readonly writer: W;
  readonly identity: Identity;
  /** Blocks that are stored, or that may be; exactly, for a layout that packs them. */
  readonly stored: AllocationBits;
  readonly plan: OutputPlan;
  readonly notes: readonly Note[];
}

const packs = (writer: Writer): writer is Layout => writer.kind === 'layout' && writer.placement === 'packed';

async function askedOutput(
  source: Source,
  options: Extract<PreparedKind, { readonly plan?: undefined }>,
): Promise<Wanted> {
  const { image, signal } = source;
  const format = writableFormatNamed(options.format);
  const createOptions = resolveOptions(format.createOptions, options.options ?? {}, format.name);
  requirePlain(createOptions, format.name);
  const size = outputSize(image, options.size, format.sizeUnit);
  const writer = format.writer(size.bytes, createOptions, {});
  await requireZerosFrom(image, size.bytes, signal);
  const scansData = packs(writer) && options.scan === 'data';
  const surveyed = await survey(source, writer);
  const stored = scansData ? createAllocationBits(surveyed.blockCount) : surveyed;
  const fingerprint = await fingerprintOf(image, image.openOptions);
  const { reproducible } = options;
  const isOfContent = reproducible !== undefined && reproducible.from !== 'source';
  const read =
    scansData || isOfContent
      ? await surveyOnThreads(source, writer, scansData ? stored : undefined, isOfContent)
      : undefined;
  const digest = isOfContent ? read : new TextEncoder().encode(fingerprint);
  const identity =
    digest && reproducible
      ? contentIdentity(digest, format.name, size.bytes, reproducible.timestamp)
      : freshIdentity(undefined);
  const plan: OutputPlan = {
    version: 1,
    format: format.name,
    options: createOptions,
    virtualSize: size.bytes,
    identity: planIdentity(identity),
    ...(packs(writer) && { stored: encodeStored(freezeAllocation(stored)) }),
    source: fingerprint,
  };
  return { writer, identity, stored, plan, notes: [...image.notes, ...size.notes] };
}

/** A plan goes to other processes and machines, and a key must not. @throws OptionError `bad-option` */
function requirePlain({ encryptFormat }: Readonly<Record<string, unknown>>, format: FormatName): void {
  if (encryptFormat === undefined) return;
  throw new OptionError('bad-option', 'Encrypted outputs are written into files only.', {
    format,
    hint: 'Convert it to a file first, and send that.',
  });
}

async function plannedOutput(source: Source, plan: OutputPlan): Promise<Wanted> {
  const { image } = source;
  requireSameSource(image, plan.source, await fingerprintOf(image, image.openOptions));
  const format = writableFormatNamed(plan.format);
  const options = resolveOptions(format.createOptions, plan.options, format.name);
  requirePlain(options, format.name);
  const writer = format.writer(plan.virtualSize, options, {});
  const stored = await survey(source, writer);
  if (packs(writer)) {
    stored.bits.fill(0);
    markStoredRuns(plan.stored ?? '', stored);
  }
  return { writer, identity: identityOfPlan(plan), stored, plan, notes: image.notes };
}

/** The blocks that may hold data, by metadata. @throws BudgetError for an image that claims too much of it */
async function survey({ image, maxExpansion }: Source, writer: Writer): Promise<AllocationBits> {
  const stored = createAllocationBits(requireBlockCount(writer));
  await surveyExtents(
    withinExpansion(sharedExtents(image, writer), image, maxExpansion),
    writer.unit,
    stored,
  );
  return stored;
}

/** Reads all data once; returns the digest of the blocks that are stored, if `digests` are wanted. */
async function surveyOnThreads(
  { image, threads, signal }: Source,
  writer: Writer,
  stored: AllocationBits | undefined,
  digests: boolean,
): Promise<Uint8Array> {
  const { unit } = writer;
  const startPool = (source: JobImage) => (): Promise<Executor<Task, Uint8Array | undefined>> => {
    const job: SurveyJob = {
      kind: 'survey',
      image: source,
      unit,
      blockCount: ceilDiv(writer.virtualSize, unit),
      stored: stored?.bits.buffer,
      digests,
    };
    return createPool(job, threads);
  };
  const { tasks, executor } = await staffed(
    surveyTasks(image, writer),
    () => surveyor(image, unit, stored, digests),
    image.reopen && startPool(image.reopen),
  );
  const digest = contentDigest();
  try {
    for await (const { result } of runTasks(tasks, executor, () => {})) {
      requireNotAborted(signal);
      if (result) digest.add(result);
    }
  } finally {
    await executor.close();
  }
  requireNotAborted(signal);
  return digest.finish();
}

/** What both kinds of output have. */
function factsOf({ image }: Source, { writer, plan, notes }: Wanted, dismiss: () => Promise<void>) {
  let isClosed = false;
  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    try {
      await dismiss();
    } finally {
      await image.close();
    }
  }
  return {
    format: plan.format as FormatName,
    virtualSize: writer.virtualSize,
    plan,
    notes,
    requireUnchanged: () => image.requireUnchanged(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What threads are told of the writer. */
const writerOfPlan = ({ format, virtualSize, options }: OutputPlan) => ({ format, virtualSize, options });

async function addressable(source: Source, wanted: Wanted<Layout>): Promise<AddressableOutput> {
  const { writer, identity, plan, stored } = wanted;
  const file = layOut(writer, freezeAllocation(stored), identity);
  const job = { writer: writerOfPlan(plan), identity, stored: stored.bits.buffer };
  const { shop, close } = openRenderShop(await readingOf(source, writer), file, job);
  return addressableOutput(factsOf(source, wanted, close), shop);
}

async function sequential(source: Source, wanted: Wanted<Appender>): Promise<SequentialOutput> {
  const { writer, identity, plan, stored } = wanted;
  const { shop, close } = openAppendShop(await readingOf(source, writer), writer, writerOfPlan(plan));
  return sequentialOutput(factsOf(source, wanted, close), writer.maxFileSize(freezeAllocation(stored)), {
    ...shop,
    writer,
    identity,
    tasks: (from) => tasksFrom(source, writer, from),
  });
}

/** How shops read the source: on threads where that can be, and pays. */
async function readingOf(source: Source, writer: Writer): Promise<Reading> {
  const { image, threads } = source;
  const isThreaded = image.reopen !== undefined && (await isWorthThreads(tasksFrom(source, writer, 0)));
  return { image, threads, reopen: isThreaded ? image.reopen : undefined };
}

/** The tasks of a conversion, for what lies behind `from`. */
function tasksFrom({ image }: Source, writer: Writer, from: number): AsyncGenerator<Task> {
  const end = Math.min(image.virtualSize, writer.virtualSize);
  return planTasks(image.extents(Math.min(from, end), end), planShape(image.unit, writer.unit));
}
