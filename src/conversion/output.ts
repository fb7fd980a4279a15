/** What a conversion knows of its output while it runs: the writer, and which blocks have been stored so far. */

import { ceilDiv } from '../binary/align.ts';
import { OptionError } from '../errors.ts';
import {
  type AllocationBits,
  allocationBitsOver,
  createAllocationBits,
  freezeAllocation,
} from '../image/allocation.ts';
import {
  type Appender,
  createPayloadLengths,
  type PayloadLengths,
  payloadLengthsOver,
  storedBlocks,
} from '../image/appender.ts';
import type { Identity } from '../image/identity.ts';
import { type Layout, layOut } from '../image/layout.ts';
import type { Writer } from '../image/writer.ts';
import type { ByteTarget } from '../io/target.ts';

export interface LayoutOutput {
  readonly kind: 'layout';
  readonly writer: Layout;
  readonly stored: AllocationBits;
}

export interface AppenderOutput {
  readonly kind: 'appender';
  readonly writer: Appender;
  readonly stored: PayloadLengths;
}

export type ConversionOutput = LayoutOutput | AppenderOutput;

/** A bit for each block, 1 GiB of them: more than any disk that exists. */
const MAX_LAYOUT_BLOCKS = 2 ** 33;

/** Blocks of the writer's disk. @throws OptionError `bad-size` for more than can be written */
export function requireBlockCount(writer: Writer): number {
  const blockCount = ceilDiv(writer.virtualSize, writer.unit);
  if (blockCount > MAX_LAYOUT_BLOCKS) {
    throw new OptionError('bad-size', `A disk of ${writer.virtualSize} bytes cannot be written.`, {});
  }
  return blockCount;
}

export function createOutput(writer: Writer): ConversionOutput {
  const blockCount = requireBlockCount(writer);
  return writer.kind === 'layout'
    ? { kind: 'layout', writer, stored: createAllocationBits(blockCount) }
    : { kind: 'appender', writer, stored: createPayloadLengths(blockCount) };
}

/** The memory by which threads share what has been stored. */
export const sharedMemory = (output: ConversionOutput): SharedArrayBuffer =>
  output.kind === 'layout' ? output.stored.bits.buffer : output.stored.lengths.buffer;

/** The same output on another thread. */
export function outputOver(writer: Writer, memory: SharedArrayBuffer): ConversionOutput {
  const blockCount = ceilDiv(writer.virtualSize, writer.unit);
  return writer.kind === 'layout'
    ? { kind: 'layout', writer, stored: allocationBitsOver(memory, blockCount) }
    : { kind: 'appender', writer, stored: payloadLengthsOver(memory, blockCount) };
}

/** Writes what stands before and behind the blocks, once all tasks are done; returns the size of the file. */
export const finishOutput = (
  output: ConversionOutput,
  target: ByteTarget,
  identity: Identity,
): Promise<number> =>
  output.kind === 'layout'
    ? finishLayout(output, target, identity)
    : finishAppender(output, target, identity);

async function finishLayout(
  { writer, stored }: LayoutOutput,
  target: ByteTarget,
  identity: Identity,
): Promise<number> {
  const file = layOut(writer, freezeAllocation(stored), identity);
  for (const [from, to] of [
    [0, writer.dataStart],
    [file.dataEnd, file.size],
  ] as const) {
    for (const piece of file.pieces(from, to)) {
      if (piece.kind === 'bytes') await target.write([piece.bytes], piece.fileOffset);
    }
  }
  return file.size;
}

async function finishAppender(
  { writer, stored }: AppenderOutput,
  target: ByteTarget,
  identity: Identity,
): Promise<number> {
  const blocks = storedBlocks(writer, stored);
  await target.write([writer.head(blocks, identity)], 0);
  let end = blocks.dataEnd;
  for (const bytes of writer.tail(blocks, identity)) {
    await target.write([bytes], end);
    end += bytes.length;
  }
  return end;
}
