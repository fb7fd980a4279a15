/** The bytes of a disk as a stream, whatever the format that keeps them. */

import { alignUp, MiB } from './binary/align.ts';
import { OptionError } from './errors.ts';
import type { DiskImage } from './image/image.ts';

/** The part of the disk to read, by default all of it. It must lie on the disk. */
export interface GuestRange {
  readonly start?: number;
  readonly length?: number;
}

/** Blocks that decode as a whole are read so, unless they are larger. */
const MAX_CHUNK = 32 * MiB;

/**
 * Reads a range of the disk as chunks of 1 MiB or so, each of which is the caller's own. Nothing is read before it is
 * asked for.
 *
 *     for await (const chunk of guestChunks(image, { start: 512 })) await write(chunk);
 *
 * @throws OptionError `bad-size` at once for a range that is not on the disk; while it is read, what
 * {@link DiskImage.read} throws
 */
export function guestChunks(image: DiskImage, range: GuestRange = {}): AsyncGenerator<Uint8Array> {
  const { start = 0 } = range;
  const { length = Math.max(0, image.virtualSize - start) } = range;
  requireOnDisk(image.virtualSize, start, length);
  return chunks(image, start, start + length);
}

async function* chunks(image: DiskImage, start: number, end: number): AsyncGenerator<Uint8Array> {
  // Cut where blocks end, no block is decoded twice.
  const size = Math.max(MiB, Math.min(image.unit, MAX_CHUNK));
  for (let at = start; at < end; ) {
    const chunkEnd = Math.min(alignUp(at + 1, size), end);
    const chunk = new Uint8Array(chunkEnd - at);
    await image.read(chunk, at);
    yield chunk;
    at = chunkEnd;
  }
}

function requireOnDisk(virtualSize: number, start: number, length: number): void {
  const isPossible = [start, length].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (isPossible && start + length <= virtualSize) return;
  const message =
    isPossible && start <= virtualSize
      ? `The disk has no ${length} bytes from ${start}: it ends at ${virtualSize}.`
      : `The disk has no byte ${start}: it ends at ${virtualSize}.`;
  throw new OptionError('bad-size', message, { hint: 'Ask for less, or leave the length out.' });
}
