/** Renders a range of an appended file again, from what has been found out about it. */

import type { GuestRange } from '../conversion/plan.ts';
import { ImageIoError, requireNotAborted } from '../errors.ts';
import type { Appender, StoredBlock } from '../image/appender.ts';
import type { Identity } from '../image/identity.ts';
import type { Ledger } from './ledger.ts';
import { type PackedBlocks, type PackTask, payloadsIn } from './pack.ts';
import type { Slots } from './slots.ts';

/** What packs blocks again. */
export interface PackShop {
  readonly slots: Slots;
  run(task: PackTask): Promise<PackedBlocks>;
}

export interface AppendedFile {
  readonly writer: Appender;
  readonly identity: Identity;
  readonly ledger: Ledger;
}

/**
 * The bytes [start, end), all records of which are in the ledger.
 * @param blocksAtOnce how many blocks the slots of the shop have room for
 * @throws ImageIoError `source-changed` when a block is not what it was
 */
export async function renderAppended(
  file: AppendedFile,
  shop: PackShop,
  blocksAtOnce: number,
  { start, end }: { readonly start: number; readonly end: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { writer, identity, ledger } = file;
  const bytes = new Uint8Array(end - start);
  const put = (piece: Uint8Array, fileOffset: number): void => {
    const from = Math.max(start, fileOffset);
    const to = Math.min(end, fileOffset + piece.length);
    if (from < to) bytes.set(piece.subarray(from - fileOffset, to - fileOffset), from - start);
  };

  if (start < writer.dataStart) put(writer.head(ledger.stored(), identity), 0);
  for (const records of grouped(ledger.recordsIn(start, end), blocksAtOnce)) {
    requireNotAborted(signal);
    await shop.slots.with(async (slotOffset) => {
      const ranges = rangesOf(records, writer.unit);
      const packed = await shop.run({ index: 0, ranges, slotOffset });
      requireSame(packed, records, writer.unit);
      let at = 0;
      for (const { block, payload } of payloadsIn(packed, shop.slots.memory, slotOffset)) {
        const record = records[at++] as StoredBlock;
        let fileOffset = record.fileOffset;
        for (const piece of writer.frame(block, payload, record)) {
          put(piece, fileOffset);
          fileOffset += piece.length;
        }
      }
    });
  }
  let at = ledger.frontier.end;
  if (end <= at) return bytes;
  for (const piece of writer.tail(ledger.stored(), identity)) {
    if (at >= end) break;
    put(piece, at);
    at += piece.length;
  }
  return bytes;
}

function* grouped<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

const rangesOf = (records: readonly StoredBlock[], unit: number): GuestRange[] =>
  records.map(({ block }) => ({ from: block * unit, to: (block + 1) * unit }));

/** @throws ImageIoError `source-changed` */
function requireSame({ blocks, lengths }: PackedBlocks, records: readonly StoredBlock[], unit: number): void {
  const different = records.find(
    ({ block, payloadLength }, index) => blocks[index] !== block || lengths[index] !== payloadLength,
  );
  if (different === undefined) return;
  throw new ImageIoError('source-changed', 'The source does not hold what it held before.', {
    guestOffset: different.block * unit,
    hint: 'Stop what writes to it, and begin anew.',
  });
}
