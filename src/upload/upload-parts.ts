/**
 * Uploads the parts of a prepared output: some at a time, each made again when it has failed. An upload that stops is
 * removed from its store, unless a journal lets another process go on with it.
 */

import { ImageError, ImageIoError, OptionError, requireNotAborted } from '../errors.ts';
import type { Part, PreparedOutput } from '../prepared/output.ts';
import {
  headLine,
  type Journal,
  type JournalState,
  journalWriter,
  lineOf,
  parseJournal,
  requireSameUpload,
} from './journal.ts';
import { digestPart } from './part-digest.ts';
import { type Retrying, retrying } from './retry.ts';
import {
  type Asking,
  answered,
  beginSession,
  completeSession,
  findObject,
  removed,
  resumeSession,
  type Session,
} from './session.ts';
import type { ObjectStore, PartDigestAlgorithm, StoredObject, StoredPart } from './store.ts';

export interface UploadSettings {
  /** Bytes. */
  readonly partSize: number;
  /** Parts under way at once: as many are in memory. */
  readonly concurrency: number;
  readonly how: Retrying;
  readonly journal: Journal | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: UploadProgress) => void) | undefined;
}

export interface UploadProgress {
  /** Guest bytes that are behind, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes of the file that are stored, and in how many parts, those of an earlier run among them. */
  readonly storedBytes: number;
  readonly storedParts: number;
}

export interface UploadReport {
  /** Where the object is: `s3://bucket/key`. */
  readonly target: string;
  readonly format: PreparedOutput['format'];
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** Bytes of the object. */
  readonly size: number;
  /** Bytes. */
  readonly partSize: number;
  /** In ascending order, with their digests if the store wanted some. */
  readonly parts: readonly StoredPart[];
  /** By what the parts were digested. */
  readonly digestAlgorithm?: PartDigestAlgorithm;
  /** How many of the parts an earlier run had stored. */
  readonly resumedParts: number;
  /** What the store calls the object; see {@link StoredObject.etag} for what that is of S3. */
  readonly etag?: string;
  readonly location?: string;
  /** What a user should know of the source, or of what was done. */
  readonly notes: PreparedOutput['notes'];
}

/**
 * @throws ImageIoError `upload-failed` when the store refuses, or fails more often than it is asked again;
 * OptionError `bad-option` for a journal of another upload, or a part size that makes too many parts; CancelledError;
 * what reading the source throws, and what the journal throws
 */
export async function runUpload(
  output: PreparedOutput,
  store: ObjectStore,
  settings: UploadSettings,
): Promise<UploadReport> {
  const { journal, how, partSize } = settings;
  requireNotAborted(settings.signal);
  const stop = new AbortController();
  const signal = settings.signal ? AbortSignal.any([settings.signal, stop.signal]) : stop.signal;
  const asking: Asking = { store, how, signal, write: journalWriter(journal) };
  const head = { target: store.target, partSize, plan: output.plan };
  const state = parseJournal(journal ? await journal.read() : '');
  if (state.head) requireSameUpload(state.head, head);
  else await asking.write(headLine(head));

  const before = await objectOf(asking, state);
  if (before) return reportOf(output, store, partSize, before.parts, before.parts.length, before.object);
  const session = (await resumeSession(asking, state)) ?? (await beginSession(asking));
  try {
    const parts = allKept(session, state) ?? (await putParts(output, asking, session, state, settings, stop));
    requireWhole(parts, output, partSize);
    await output.requireUnchanged();
    const object = await completeSession(asking, session, parts);
    settings.onProgress?.({
      doneBytes: output.virtualSize,
      totalBytes: output.virtualSize,
      storedBytes: sizeOf(parts),
      storedParts: parts.length,
    });
    return reportOf(output, store, partSize, parts, session.kept.size, object);
  } catch (error) {
    const hasChanged = error instanceof ImageError && error.code === 'source-changed';
    if (journal && !hasChanged) throw error;
    // What was read of a source while it changed is not to be gone on with.
    if (hasChanged) await asking.write(lineOf({ dropped: session.uploadId }));
    throw await removed(asking, session, error);
  }
}

const sizeOf = (parts: readonly StoredPart[]): number => parts.reduce((sum, { size }) => sum + size, 0);
const inOrder = (parts: Iterable<StoredPart>): StoredPart[] => [...parts].sort((a, b) => a.number - b.number);

/** The object that an earlier run has made, or may have made without seeing the answer. */
async function objectOf(
  asking: Asking,
  { object, stored, completing }: JournalState,
): Promise<{ readonly object: StoredObject; readonly parts: readonly StoredPart[] } | undefined> {
  if (completing === undefined) return undefined;
  const parts = inOrder(stored.values()).slice(0, completing);
  if (parts.length < completing) return undefined;
  const found = await findObject(asking, parts);
  // A store that cannot be asked is believed to have kept what it has confirmed.
  if (found === 'unknown') return object && { object, parts };
  return found && { object: { ...object, ...found }, parts };
}

/** The parts, when all of them were stored before. */
function allKept({ kept }: Session, { completing }: JournalState): readonly StoredPart[] | undefined {
  if (completing === undefined) return undefined;
  const parts = inOrder(kept.values()).filter(({ number }) => number <= completing);
  return parts.length === completing ? parts : undefined;
}

async function putParts(
  output: PreparedOutput,
  { store, how, signal, write }: Asking,
  { uploadId, kept }: Session,
  { found }: JournalState,
  { partSize, concurrency, onProgress }: UploadSettings,
  stop: AbortController,
): Promise<readonly StoredPart[]> {
  const stored = new Map(kept);
  let storedBytes = sizeOf([...kept.values()]);
  /** Of a sequential output: so many guest bytes have become so many bytes of the file. */
  let made = { doneBytes: 0, madeBytes: 0 };
  let doneBytes = 0;

  const tell = (): void => {
    const totalBytes = output.virtualSize;
    const [guest, file] =
      output.kind === 'sequential' ? [made.doneBytes, made.madeBytes] : [totalBytes, output.size];
    const share = file === 0 ? 1 : Math.min(1, storedBytes / file);
    doneBytes = Math.max(doneBytes, Math.floor(guest * share));
    onProgress?.({ doneBytes, totalBytes, storedBytes, storedParts: stored.size });
  };

  async function put(part: Part): Promise<void> {
    const { number, length: size } = part;
    const { etag, digest } = await retrying(`putPart ${number}`, how, signal, async () => {
      const bytes = await part.read(signal);
      const digest = store.digest && (await digestPart(store.digest, bytes, signal));
      const etag = await answered(store.putPart(uploadId, { number, bytes, digest }, signal), signal);
      // Of a request that failed, and may be under way yet, the bytes are left alone.
      part.release(bytes);
      return { etag, digest };
    });
    await write(lineOf({ stored: number, size, etag, ...(digest !== undefined && { digest }) }));
    stored.set(number, { number, size, etag, ...(digest !== undefined && { digest }) });
    storedBytes += size;
    tell();
  }

  const underWay = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(error);
  };
  const skip = new Set(kept.keys());
  try {
    const parts = output.parts(partSize, {
      skip,
      found,
      signal,
      onProgress: (progress) => {
        made = progress;
      },
    });
    for await (const part of orEmpty(parts, skip)) {
      requirePartNumber(part.number, store, partSize);
      // Before the part is put: who goes on must know what led to it.
      if (part.found !== undefined) {
        await write(lineOf({ made: part.number, start: part.start, found: part.found }));
      }
      const task = put(part)
        .catch(fail)
        .finally(() => underWay.delete(task));
      underWay.add(task);
      while (underWay.size >= concurrency) await Promise.race(underWay);
      if (failure) break;
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(underWay);
  if (failure) throw failure.error;
  return inOrder(stored.values());
}

/** An object has at least one part, though it be empty. */
async function* orEmpty(parts: AsyncIterable<Part>, skip: ReadonlySet<number>): AsyncGenerator<Part> {
  let count = skip.size;
  for await (const part of parts) {
    count++;
    yield part;
  }
  if (count === 0)
    yield { number: 1, start: 0, length: 0, read: async () => new Uint8Array(0), release() {} };
}

function requirePartNumber(number: number, { limits }: ObjectStore, partSize: number): void {
  if (number <= limits.maxParts) return;
  throw new OptionError(
    'bad-option',
    `The file has more than ${limits.maxParts} parts of ${partSize} bytes.`,
    {
      hint: 'Choose larger parts.',
    },
  );
}

/** A part too few would be an object that looks complete. */
function requireWhole(parts: readonly StoredPart[], output: PreparedOutput, partSize: number): void {
  const hasGap = parts.some(
    ({ number, size }, index) => number !== index + 1 || (size !== partSize && number !== parts.length),
  );
  if (!hasGap && (output.kind === 'sequential' || sizeOf(parts) === output.size)) return;
  throw new ImageIoError('upload-failed', 'The parts that were stored do not make up the file.', {
    hint: 'Begin anew, without the journal.',
  });
}

function reportOf(
  { format, virtualSize, notes }: PreparedOutput,
  { target, digest }: ObjectStore,
  partSize: number,
  parts: readonly StoredPart[],
  resumedParts: number,
  object: StoredObject,
): UploadReport {
  return {
    target,
    format,
    virtualSize,
    size: sizeOf(parts),
    partSize,
    parts,
    ...(digest && { digestAlgorithm: digest }),
    resumedParts,
    ...object,
    notes,
  };
}
