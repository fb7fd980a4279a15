/** Several disks one behind the other, as one disk: what `convert A B C` reads. */

import type { ByteSource } from '../io/source.ts';
import { type Extent, visiblePart } from './extent.ts';
import type { DiskImage } from './image.ts';

/** @param parts one or more; they are closed with the whole */
export function concatenation(parts: readonly DiskImage[]): DiskImage {
  const [first] = parts;
  if (first === undefined) throw new TypeError('nothing to concatenate');
  if (parts.length === 1) return first;
  const starts: number[] = [];
  let virtualSize = 0;
  for (const part of parts) {
    starts.push(virtualSize);
    virtualSize += part.virtualSize;
  }

  /** The parts that [from, to) touches, with the range within each. */
  function* within(from: number, to: number) {
    for (const [index, part] of parts.entries()) {
      const start = starts[index] as number;
      const partFrom = Math.max(0, from - start);
      const partTo = Math.min(part.virtualSize, to - start);
      if (partFrom < partTo) yield { part, start, from: partFrom, to: partTo };
    }
  }

  async function* extents(from: number, to: number): AsyncGenerator<Extent> {
    for (const { part, start, ...range } of within(from, to)) {
      for await (const extent of part.extents(range.from, range.to)) {
        const visible = visiblePart(extent, range.from, range.to);
        yield { ...visible, guestOffset: visible.guestOffset + start };
      }
    }
  }

  const close = async (): Promise<void> => {
    for (const part of parts) await part.close();
  };
  return {
    format: first.format,
    source: joinedSource(parts.map(({ source }) => source)),
    sources: parts.flatMap(({ sources }) => sources),
    virtualSize,
    unit: commonUnit(parts, starts),
    isSequential: parts.some(({ isSequential }) => isSequential),
    details: { specific: {} },
    notes: parts.flatMap(({ notes }) => notes),
    extents: (from = 0, to = virtualSize) => extents(from, to),
    async read(into, guestOffset) {
      for (const { part, start, from, to } of within(guestOffset, guestOffset + into.length)) {
        const at = start + from - guestOffset;
        await part.read(into.subarray(at, at + to - from), from);
      }
    },
    async requireUnchanged() {
      for (const part of parts) await part.requireUnchanged();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The largest block of any part that all parts begin on; without one, a sector's 512 bytes or less. */
function commonUnit(parts: readonly DiskImage[], starts: readonly number[]): number {
  let unit = Math.max(...parts.map((part) => part.unit));
  while (unit > 1 && starts.some((start) => start % unit !== 0)) unit /= 2;
  return unit;
}

/** What is asked of sources as a whole; their bytes are read through the parts. */
function joinedSource(sources: readonly ByteSource[]): ByteSource {
  return {
    name: sources.map(({ name }) => name).join(' + '),
    size: sources.reduce((sum, { size }) => sum + size, 0),
    async read() {
      throw new TypeError('the bytes of several images are not one file');
    },
    close: async () => {},
  };
}
