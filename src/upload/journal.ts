/**
 * What an upload has done so far, so that another process can go on: lines of JSON, each appended when what it says is
 * so. The first says what is uploaded where; a line that was torn off at the end is as if it had not been written.
 */

import { OptionError } from '../errors.ts';
import type { FoundPart } from '../prepared/output.ts';
import type { OutputPlan } from '../prepared/plan.ts';
import type { StoredObject, StoredPart } from './store.ts';

/** Where a journal is kept. */
export interface Journal {
  /** All that was appended, in order; empty when there is nothing yet. */
  read(): Promise<string>;
  /**
   * Adds a line, which has no line break, and one behind it. Done when it is safe from a crash. What an earlier append
   * has left torn, without a line break, is replaced.
   */
  append(line: string): Promise<void>;
}

/** What is uploaded where. */
export interface JournalHead {
  readonly target: string;
  /** Bytes. */
  readonly partSize: number;
  readonly plan: OutputPlan;
}

/** What a journal says. */
export interface JournalState {
  readonly head: JournalHead | undefined;
  /** The upload under way. */
  readonly uploadId: string | undefined;
  /** Of a sequential output: what was found while its parts were made, in that order. */
  readonly found: readonly FoundPart[];
  /** Parts that this upload has stored. */
  readonly stored: ReadonlyMap<number, StoredPart>;
  /** All parts are stored, as many as this, and the store was asked to make the object of them. */
  readonly completing: number | undefined;
  /** The object is made. */
  readonly object: StoredObject | undefined;
}

const NAME = 'diskimg-upload';

type Line =
  | ({ readonly journal: typeof NAME; readonly version: 1 } & JournalHead)
  /** An upload has begun; what an earlier one had stored is gone. */
  | { readonly begun: string }
  | { readonly made: number; readonly start: number; readonly found?: string }
  | { readonly stored: number; readonly size: number; readonly etag: string; readonly digest?: string }
  | { readonly completing: number }
  | { readonly complete: StoredObject }
  /** The source has changed under way: nothing before this line is to be believed, but the head. */
  | { readonly dropped: string };

export const headLine = (head: JournalHead): string =>
  lineOf({
    journal: NAME,
    version: 1,
    target: head.target,
    partSize: head.partSize,
    plan: head.plan,
  });

export const lineOf = (line: Line): string => JSON.stringify(line);

/** @throws OptionError `bad-option` for what is no journal */
export function parseJournal(text: string): JournalState {
  let state: JournalState = {
    head: undefined,
    uploadId: undefined,
    found: [],
    stored: new Map(),
    completing: undefined,
    object: undefined,
  };
  const found: FoundPart[] = [];
  let stored = new Map<number, StoredPart>();
  // What stands behind the last line break is torn.
  for (const [index, lineText] of text.split('\n').slice(0, -1).entries()) {
    const line = requireLine(lineText, index);
    if ('journal' in line) {
      const { target, partSize, plan } = line;
      state = { ...state, head: { target, partSize, plan } };
    } else if ('begun' in line) {
      stored = new Map();
      state = { ...state, uploadId: line.begun, completing: undefined, object: undefined };
    } else if ('made' in line) {
      if (line.found !== undefined) found.push({ start: line.start, found: line.found });
    } else if ('stored' in line) {
      const { stored: number, size, etag, digest } = line;
      stored.set(number, { number, size, etag, ...(digest !== undefined && { digest }) });
    } else if ('completing' in line) {
      state = { ...state, completing: line.completing };
    } else if ('complete' in line) {
      state = { ...state, object: line.complete };
    } else {
      stored = new Map();
      found.length = 0;
      state = { ...state, uploadId: undefined, completing: undefined };
    }
  }
  return { ...state, found, stored };
}

const KINDS = ['begun', 'made', 'stored', 'completing', 'complete', 'dropped'];

function requireLine(text: string, index: number): Line {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch (cause) {
    throw noJournal(index, cause);
  }
  if (typeof line !== 'object' || line === null) throw noJournal(index, undefined);
  const isFirst = 'journal' in line;
  if (isFirst !== (index === 0)) throw noJournal(index, undefined);
  if (isFirst && !isHead(line)) throw noJournal(index, undefined);
  if (!isFirst && !KINDS.some((kind) => kind in line)) throw noJournal(index, undefined);
  return line as Line;
}

function isHead(line: object): boolean {
  const { journal, version, target, partSize, plan } = line as Partial<Line & { journal: unknown }> &
    Partial<JournalHead> & { version?: unknown };
  return (
    journal === NAME &&
    version === 1 &&
    typeof target === 'string' &&
    Number.isSafeInteger(partSize) &&
    typeof plan === 'object' &&
    plan !== null
  );
}

const noJournal = (index: number, cause: unknown): OptionError =>
  new OptionError(
    'bad-option',
    index === 0
      ? 'The state to resume from is not a journal of an upload.'
      : `Line ${index + 1} of the journal is not one that this version writes.`,
    { hint: 'Name another file, or delete it and begin anew.', cause },
  );

/** @throws OptionError `bad-option` when the journal is of another upload */
export function requireSameUpload(found: JournalHead, wanted: JournalHead): void {
  const what =
    found.target !== wanted.target
      ? `of an upload to ${found.target}, not to ${wanted.target}`
      : canonical(found.plan) !== canonical(wanted.plan)
        ? 'of another output: its source, format, options or identity differ'
        : found.partSize !== wanted.partSize
          ? `of an upload in parts of ${found.partSize} bytes, not of ${wanted.partSize}`
          : undefined;
  if (what === undefined) return;
  throw new OptionError('bad-option', `The journal is ${what}.`, {
    hint: 'Prepare the output with the plan of the journal (journaledUpload), or begin anew with another journal.',
  });
}

/** The same text for the same data, in whatever order its fields are. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** Appends one line after the other, whoever asks; after one has failed, no other is written. */
export function journalWriter(journal: Journal | undefined): (line: string) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (line) => {
    if (!journal) return Promise.resolve();
    last = last.then(() => journal.append(line));
    last.catch(() => {}); // whoever waits for it sees it
    return last;
  };
}
