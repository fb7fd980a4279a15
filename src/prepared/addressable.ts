/** Outputs of layouts: any range of the file is rendered when it is asked for. */

import { allDone } from '../conversion/executor.ts';
import { OptionError, requireNotAborted } from '../errors.ts';
import type { AddressableOutput, Part, PartsOptions, StreamOptions } from './output.ts';
import { requirePartSize } from './part-size.ts';
import type { RenderTask } from './render.ts';
import { type Slots, unlessAborted } from './slots.ts';
import { createStock, type Stock } from './stock.ts';
import { madeAhead, streamOf } from './stream.ts';

/** What renders. */
export interface RenderShop {
  /** Bytes of the file. */
  readonly size: number;
  readonly slots: Slots;
  /** How many tasks are worth having under way at once. */
  readonly window: number;
  /** Is this range known to be zeros, without a look at the source? */
  isZero(from: number, to: number): boolean;
  /** Renders into the slot. */
  run(task: RenderTask): Promise<unknown>;
}

type Facts = Omit<AddressableOutput, 'kind' | 'size' | 'read' | 'parts' | 'stream'>;

/** Bytes of a chunk of a stream. */
const CHUNK = 1024 * 1024;

const fresh: Stock['take'] = (length) => new Uint8Array(length);

export function addressableOutput(facts: Facts, shop: RenderShop): AddressableOutput {
  const { size } = shop;
  const { virtualSize } = facts;
  const progressOf = (madeBytes: number) => ({
    doneBytes: size === 0 ? virtualSize : Math.floor((virtualSize / size) * madeBytes),
    totalBytes: virtualSize,
    madeBytes,
  });

  async function* parts(partSize: number, { skip, signal, onProgress }: PartsOptions): AsyncGenerator<Part> {
    let madeBytes = 0;
    const stock = createStock(partSize);
    for (const { start, end } of cuts(0, size, partSize)) {
      requireNotAborted(signal);
      const number = start / partSize + 1;
      madeBytes += end - start;
      if (skip?.has(number)) continue;
      yield {
        number,
        start,
        length: end - start,
        read: (own) => renderRange(shop, start, end, own ?? signal, stock.take),
        release: stock.giveBack,
      };
      onProgress?.(progressOf(madeBytes));
    }
  }

  async function* chunks({ signal, onProgress }: StreamOptions): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let madeBytes = 0;
    const make = ({ start, end }: Cut) => renderRange(shop, start, end, signal, fresh);
    for await (const bytes of madeAhead(cuts(0, size, CHUNK), shop.window, make)) {
      madeBytes += bytes.length;
      // What was read before the source changed must not look complete.
      if (madeBytes === size) await facts.requireUnchanged();
      onProgress?.(progressOf(madeBytes));
      yield bytes;
    }
  }

  return {
    ...facts,
    kind: 'addressable',
    size,
    read: async (start, end, signal) => renderRange(shop, ...requireRange(start, end, size), signal, fresh),
    parts: (partSize, options = {}) => parts(requirePartSize(partSize), options),
    stream: (options = {}) => streamOf(chunks(options)),
  };
}

export interface Cut {
  readonly start: number;
  readonly end: number;
}

/** [from, to), cut at multiples of `step`. */
export function* cuts(from: number, to: number, step: number): Generator<Cut> {
  for (let start = from; start < to; ) {
    const end = Math.min(to, (Math.floor(start / step) + 1) * step);
    yield { start, end };
    start = end;
  }
}

async function renderRange(
  { slots, run, isZero }: RenderShop,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
  zeros: Stock['take'],
): Promise<Uint8Array<ArrayBuffer>> {
  requireNotAborted(signal);
  const bytes = zeros(end - start);
  const rendered = allDone(
    [...cuts(start, end, slots.slotSize)]
      .filter(({ start: from, end: to }) => !isZero(from, to))
      .map(({ start: from, end: to }) =>
        slots.with(async (slotOffset) => {
          requireNotAborted(signal);
          await run({ from, to, slotOffset });
          bytes.set(new Uint8Array(slots.memory, slotOffset, to - from), from - start);
        }),
      ),
  );
  await unlessAborted(rendered, signal);
  return bytes;
}

/** @throws OptionError `bad-size` */
function requireRange(start: number, end: number, size: number): [number, number] {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= size) {
    return [start, end];
  }
  throw new OptionError('bad-size', `[${start}, ${end}) is not a range of a file of ${size} bytes.`);
}
