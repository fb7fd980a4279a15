/**
 * Outputs of appenders: blocks are packed in guest order, and parts leave as they fill. What was found on the way, the
 * lengths of the payloads, makes a part again without the others; a journal of it lets another process go on.
 */

import { type Executor, runTasks } from '../conversion/executor.ts';
import { type Task, taskEnd } from '../conversion/plan.ts';
import { CorruptImageError, requireNotAborted } from '../errors.ts';
import type { Appender } from '../image/appender.ts';
import type { Identity } from '../image/identity.ts';
import { createAssembly } from './assembly.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { decodeLengths, encodeLengths } from './lengths.ts';
import type { FoundPart, Part, PartsOptions, SequentialOutput, StreamOptions } from './output.ts';
import { type PackedBlocks, type PackTask, payloadsIn } from './pack.ts';
import { requirePartSize } from './part-size.ts';
import { type AppendedFile, type PackShop, renderAppended } from './render-appended.ts';
import { unlessAborted } from './slots.ts';
import { spooled } from './spool.ts';
import { createStock } from './stock.ts';
import { streamOf } from './stream.ts';

/** What packs. */
export interface AppendShop {
  readonly writer: Appender;
  readonly identity: Identity;
  /** Blocks that fit into a slot of {@link AppendShop.again}. */
  readonly blocksPerTask: number;
  /** The tasks for what lies behind a guest offset. */
  tasks(from: number): AsyncIterable<Task>;
  /** For one pass over the disk: threads, and memory of their own. */
  startPass(): Promise<{
    readonly executor: Executor<PackTask, PackedBlocks>;
    readonly memory: SharedArrayBuffer;
  }>;
  /** For parts that are asked for again. */
  readonly again: PackShop;
}

type Facts = Omit<SequentialOutput, 'kind' | 'maxSize' | 'isHeadLast' | 'parts' | 'stream'>;

/** Bytes of a chunk of a stream. */
const CHUNK = 1024 * 1024;
/** Parts that were made but not read yet are kept up to so many bytes in all; they are made again when they are read. */
const MAX_UNREAD = 32 * 1024 * 1024;

export function sequentialOutput(facts: Facts, maxSize: number, shop: AppendShop): SequentialOutput {
  const { isHeadLast } = shop.writer;
  async function* chunks(options: StreamOptions): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let last: Uint8Array<ArrayBuffer> | undefined;
    for await (const part of makeParts(shop, CHUNK, options)) {
      if (last) yield last;
      last = await part.read(options.signal);
    }
    // What was read before the source changed must not look complete.
    await facts.requireUnchanged();
    if (last) yield last;
  }
  return {
    ...facts,
    kind: 'sequential',
    maxSize,
    isHeadLast,
    parts: (partSize, options = {}) => makeParts(shop, requirePartSize(partSize), options),
    stream: (options = {}) =>
      streamOf(
        isHeadLast ? spooled(makeParts(shop, CHUNK, options), facts.requireUnchanged) : chunks(options),
      ),
  };
}

async function* makeParts(shop: AppendShop, partSize: number, options: PartsOptions): AsyncGenerator<Part> {
  const { writer, identity } = shop;
  const { skip, signal, onProgress } = options;
  requireNotAborted(signal);
  const ledger = createLedger(writer);
  const file: AppendedFile = { writer, identity, ledger };
  const isWanted = (part: number): boolean => !skip?.has(part + 1);
  const stock = createStock(partSize);
  const assembly = createAssembly(partSize, isWanted, stock.take);
  const unread = unreadParts();
  const foundBefore = addFound(ledger, options.found ?? []);
  let known = foundBefore;
  let told = known;
  // What an earlier run has made of a part is not here.
  for (let part = 0; part * partSize < ledger.frontier.end && known > 0; part++) assembly.drop(part);
  if (writer.isHeadLast) assembly.drop(0);
  else assembly.write(writer.head(ledger.stored(), identity), 0);

  function partOf(part: number, size: number): Part {
    const start = part * partSize;
    const length = Math.min(partSize, size - start);
    const found = encodeLengths(ledger.lengths, told, known);
    told = known;
    const fresh = unread.keep(assembly.take(part, length));
    return {
      number: part + 1,
      start,
      length,
      found,
      release: stock.giveBack,
      read(own) {
        const bytes = fresh();
        if (bytes) return Promise.resolve(bytes);
        const range = { start, end: start + length };
        const stop = own ?? signal;
        return unlessAborted(renderAppended(file, shop.again, shop.blocksPerTask, range, stop), stop);
      },
    };
  }

  /** Parts that are not complete, in the order of the file, as far as it has grown. */
  const open: number[] = [];
  let begun = 0;
  /** The parts that no later record changes. */
  function* complete(): Generator<Part> {
    const { end } = ledger.frontier;
    for (; begun * partSize < end; begun++) open.push(begun);
    for (const part of [...open]) {
      const partEnd = (part + 1) * partSize;
      if (partEnd > end) break;
      if ((part === 0 && writer.isHeadLast) || mayChange(ledger, writer, part * partSize, partEnd)) {
        // One that waits long for a last record does not wait in memory.
        if (end > partEnd + partSize) assembly.drop(part);
        continue;
      }
      open.splice(open.indexOf(part), 1);
      if (isWanted(part)) yield partOf(part, partEnd);
      else assembly.drop(part);
    }
  }

  const totalBytes = writer.virtualSize;
  const progress = (doneBytes: number): void =>
    onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes, madeBytes: ledger.frontier.end });
  yield* complete();
  const { executor, memory } = await shop.startPass();
  try {
    const slotSize = memory.byteLength / executor.window;
    const tasks = withSlots(shop.tasks(known * writer.unit), executor.window, slotSize);
    for await (const { task, result } of runTasks(tasks, executor, () => {})) {
      requireNotAborted(signal);
      for (const { block, payload } of payloadsIn(result, memory, task.slotOffset)) {
        if (block < foundBefore) continue; // of a source block that an earlier run has begun
        const placement = ledger.add(block, payload.length);
        let at = placement.fileOffset;
        for (const piece of writer.frame(block, payload, placement)) {
          assembly.write(piece, at);
          at += piece.length;
        }
      }
      known = Math.min(ledger.lengths.length, Math.ceil(taskEnd(task) / writer.unit));
      yield* complete();
      progress(taskEnd(task));
    }
  } finally {
    await executor.close();
  }
  requireNotAborted(signal);
  known = ledger.lengths.length;

  // From here on no record comes, and nothing waits but the tail and the head.
  let size = ledger.frontier.end;
  for (const piece of writer.tail(ledger.stored(), identity)) {
    assembly.write(piece, size);
    size += piece.length;
    for (; begun * partSize < size; begun++) open.push(begun);
    for (const part of open.filter((index) => (index + 1) * partSize <= size && !isLast(index))) {
      open.splice(open.indexOf(part), 1);
      if (isWanted(part)) yield partOf(part, size);
    }
    requireNotAborted(signal);
  }
  for (; begun * partSize < size; begun++) open.push(begun);
  const rest = writer.isHeadLast ? [...open.filter((part) => part !== 0), 0] : open;
  for (const part of rest) if (isWanted(part)) yield partOf(part, size);
  progress(totalBytes);

  function isLast(part: number): boolean {
    return part === 0 && writer.isHeadLast;
  }
}

/** May a record that comes later have bytes in [start, end), which lies before the end of the file? */
function mayChange({ frontier }: Ledger, { unit }: Appender, start: number, end: number): boolean {
  const { open } = frontier;
  return open < frontier.end && open < end && open + unit > start;
}

/**
 * Adds what an earlier run has found; returns the number of blocks.
 * @throws CorruptImageError `bad-data`
 */
function addFound(ledger: Ledger, found: readonly FoundPart[]): number {
  let block = 0;
  const room = (count: number): void => {
    if (block + count <= ledger.lengths.length) return;
    throw new CorruptImageError('bad-data', 'The journal tells of more blocks than the disk has.', {
      hint: 'It belongs to another output: begin anew, without it.',
    });
  };
  for (const part of found) {
    for (const run of decodeLengths(part.found)) {
      if ('skipped' in run) {
        room(run.skipped);
        block += run.skipped;
      } else {
        room(1);
        ledger.add(block, run.length);
        block += 1;
      }
    }
  }
  return block;
}

/** Gives the tasks slots in turn: as many as are under way at once. */
async function* withSlots(
  tasks: AsyncIterable<Task>,
  slotCount: number,
  slotSize: number,
): AsyncGenerator<PackTask> {
  for await (const task of tasks) yield { ...task, slotOffset: (task.index % slotCount) * slotSize };
}

/** Keeps the bytes of parts until they are read, or until too many others wait as well. */
function unreadParts() {
  const waiting = new Set<{ bytes: Uint8Array<ArrayBuffer> | undefined }>();
  let kept = 0;
  return {
    /** What gives the bytes away: once, and only if they are still there. */
    keep(bytes: Uint8Array<ArrayBuffer> | undefined): () => Uint8Array<ArrayBuffer> | undefined {
      const place = { bytes };
      waiting.add(place);
      kept += bytes?.length ?? 0;
      for (const oldest of waiting) {
        if (kept <= MAX_UNREAD || oldest === place) break;
        forget(oldest);
      }
      return () => forget(place);
    },
  };
  function forget(place: {
    bytes: Uint8Array<ArrayBuffer> | undefined;
  }): Uint8Array<ArrayBuffer> | undefined {
    const { bytes } = place;
    place.bytes = undefined;
    waiting.delete(place);
    kept -= bytes?.length ?? 0;
    return bytes;
  }
}
