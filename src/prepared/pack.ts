/** Packs the stored blocks of tasks into shared memory. On any thread. */

import { storedBlocksOf, taskReader } from '../conversion/load-blocks.ts';
import { packBlocks, packedBound } from '../conversion/pack-blocks.ts';
import type { Task } from '../conversion/plan.ts';
import type { Appender } from '../image/appender.ts';
import type { GuestBytes } from '../image/guest-bytes.ts';

/** A task, and where its payloads go. */
export interface PackTask extends Task {
  readonly slotOffset: number;
}

/** The blocks that are stored, and the lengths of their payloads, which stand one behind the other in the slot. */
export interface PackedBlocks {
  readonly blocks: readonly number[];
  readonly lengths: readonly number[];
}

/** Performs one task at a time. */
export type Packer = (task: PackTask) => Promise<PackedBlocks>;

export function packer(guest: GuestBytes, writer: Appender, slots: SharedArrayBuffer): Packer {
  const readTask = taskReader();
  return async (task) => {
    const blocks = [...storedBlocksOf(await readTask(task, guest), writer.unit, false)];
    const room = new Uint8Array(slots, task.slotOffset, packedBound(writer, blocks.length));
    const payloads = packBlocks(writer, blocks, room, 'copied');
    return { blocks: blocks.map(({ block }) => block), lengths: payloads.map(({ length }) => length) };
  };
}

/** The packed blocks with their payloads, which stay as they are as long as the slot does. */
export function* payloadsIn(
  { blocks, lengths }: PackedBlocks,
  slots: SharedArrayBuffer,
  slotOffset: number,
): Generator<{ readonly block: number; readonly payload: Uint8Array }> {
  let at = slotOffset;
  for (const [index, block] of blocks.entries()) {
    const length = lengths[index] as number;
    yield { block, payload: new Uint8Array(slots, at, length) };
    at += length;
  }
}
