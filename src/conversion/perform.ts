/** Performs tasks: reads guest ranges, finds zeros, compresses where the writer does, and writes. On any thread. */

import { markStored } from '../image/allocation.ts';
import { type Placement, setPayloadLength } from '../image/appender.ts';
import { frontierAt } from '../image/frontier.ts';
import type { DiskImage } from '../image/image.ts';
import type { ByteTarget } from '../io/target.ts';
import { dataRuns } from '../io/zeros.ts';
import { type BlockDigests, digestBlocks, type LoadedBlock } from './block-digest.ts';
import { type Gatherer, gatherer } from './gather.ts';
import { type Loaded, storedBlocksOf, taskReader } from './load-blocks.ts';
import type { AppenderOutput, ConversionOutput, LayoutOutput } from './output.ts';
import { packBlocks, packedBound } from './pack-blocks.ts';
import type { Task } from './plan.ts';
import { type LostRange, salvagedImage } from './salvage.ts';
import { passTurnstile, requireOpen, type Turnstile } from './turnstile.ts';

export interface Workshop {
  readonly image: DiskImage;
  readonly target: ByteTarget;
  readonly output: ConversionOutput;
  readonly turnstile: Turnstile;
  /** Zeros are looked for in steps of this many bytes and not written; 0: everything is written. */
  readonly sparseSize: number;
  /** Are zeros stored as well, because a backing file would show otherwise? */
  readonly keepsZeros: boolean;
  /** Are ranges that cannot be read taken as zeros, and reported? */
  readonly salvage: boolean;
  /** Are the stored blocks digested, for an identity that comes from the content? */
  readonly digests: boolean;
}

export interface TaskResult {
  /** Bytes written. */
  readonly written: number;
  readonly digests?: BlockDigests;
  /** What could not be read. */
  readonly lost?: readonly LostRange[];
}

/** Performs one task at a time. */
export type Performer = (task: Task) => Promise<TaskResult>;

export function performer(workshop: Workshop): Performer {
  const arena: Arena = { bytes: new Uint8Array(0) };
  const readTask = taskReader();

  return async (task) => {
    requireOpen(workshop.turnstile);
    const lost: LostRange[] = [];
    const { image } = workshop;
    const guest = workshop.salvage ? salvagedImage(image, (range) => lost.push(range)) : image;
    const loaded = await readTask(task, guest);
    const { output } = workshop;
    const blocks = [...storedBlocksOf(loaded, output.writer.unit, workshop.keepsZeros)];
    // Before they are written: that may encipher them in place.
    const digests = workshop.digests ? digestBlocks(blocks) : undefined;
    const written =
      output.kind === 'appender'
        ? await append(workshop, output, task, blocks, arena)
        : await place(workshop, output, task, loaded, blocks);
    return {
      written,
      ...(digests && { digests }),
      ...(lost.length > 0 && { lost }),
    };
  };
}

/** Puts blocks where a layout wants them. */
async function place(
  { target, turnstile, sparseSize }: Workshop,
  { writer, stored }: LayoutOutput,
  task: Task,
  loaded: readonly Loaded[],
  blocks: readonly LoadedBlock[],
): Promise<number> {
  for (const { block } of blocks) markStored(stored, block);
  const output = gatherer(target);
  if (writer.placement === 'in-place') {
    for (const { from, bytes } of loaded) {
      const onDisk = bytes.subarray(0, Math.min(bytes.length, writer.virtualSize - from));
      await addRuns(output, onDisk, writer.dataStart + from, sparseSize);
    }
    return output.flush();
  }
  const { unit, blockHead } = writer;
  const stride = blockHead.length + unit;
  let next = 0;
  passTurnstile(turnstile, task.index, ({ end }) => {
    next = end;
    return frontierAt(end + blocks.length * stride);
  });
  // Zeros that are enciphered are none.
  const step = writer.encipher ? Infinity : sparseSize === 0 ? 0 : Math.max(sparseSize, MIN_HOLE_IN_BLOCK);
  for (const { bytes } of blocks) {
    await output.add(blockHead, next);
    writer.encipher?.(bytes, next + blockHead.length);
    if (unit <= step) await output.add(bytes, next + blockHead.length);
    else await addRuns(output, bytes, next + blockHead.length, step);
    next += stride;
  }
  return output.flush();
}

/** Smaller holes within a packed block are not worth a write of their own. */
const MIN_HOLE_IN_BLOCK = 64 * 1024;

/** Adds the runs of `bytes` that hold data. */
async function addRuns(output: Gatherer, bytes: Uint8Array, at: number, step: number): Promise<void> {
  for (const { start, end } of dataRuns(bytes, step))
    await output.add(bytes.subarray(start, end), at + start);
}

/** Compresses blocks and appends their records. */
async function append(
  { target, turnstile }: Workshop,
  { writer, stored }: AppenderOutput,
  task: Task,
  blocks: readonly LoadedBlock[],
  arena: Arena,
): Promise<number> {
  const bound = packedBound(writer, blocks.length);
  if (arena.bytes.length < bound) arena.bytes = new Uint8Array(bound);
  const payloads = packBlocks(writer, blocks, arena.bytes, 'left');
  const placements: Placement[] = [];
  passTurnstile(turnstile, task.index, (first) => {
    let frontier = first;
    for (const payload of payloads) {
      const placement = writer.place(frontier, payload.length);
      placements.push(placement);
      frontier = placement.next;
    }
    return frontier;
  });

  // Blocks that are stored as they are may stand apart from the others.
  const packed = gatherer(target);
  const asIs = gatherer(target);
  for (const [i, placement] of placements.entries()) {
    const { block, bytes } = blocks[i] as LoadedBlock;
    const payload = payloads[i] as Uint8Array;
    setPayloadLength(stored, block, payload.length);
    const output = payload === bytes ? asIs : packed;
    let at = placement.fileOffset;
    for (const part of writer.frame(block, payload, placement)) {
      await output.add(part, at);
      at += part.length;
    }
  }
  return (await packed.flush()) + (await asIs.flush());
}

/** Memory for the payloads of a task, which grows to what is needed and stays. */
interface Arena {
  bytes: Uint8Array;
}
