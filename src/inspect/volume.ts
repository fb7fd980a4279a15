/**
 * The window through which everything is read that stands on a disk: a partition, a logical volume, a whole disk. What is
 * read of the disk is counted, and has a limit: whatever a hostile filesystem leads to ends there.
 */

import { alignDown, alignUp, KiB, MiB } from '../binary/align.ts';
import { BudgetError, CorruptImageError, requireNotAborted } from '../errors.ts';
import type { DiskImage } from '../image/image.ts';
import { sequentialRead } from './sequential.ts';

export interface Volume {
  /** Bytes. */
  readonly size: number;
  /**
   * The `length` bytes from `offset`; the caller must not write to them.
   * @throws CorruptImageError `bad-reference` when they do not lie within the volume
   * @throws BudgetError `over-budget` when no more may be read of the disk
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface DiskVolume extends Volume {
  /** Bytes of the disk that have been read so far. What is read again from memory is not counted. */
  readonly readBytes: number;
}

export interface DiskVolumeOptions {
  readonly maxReadBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Metadata is small and scattered: what is read at least. */
const PAGE = 4 * KiB;
/** Longer reads are of files, which are read once: they are not kept. */
const MAX_KEPT = 64 * KiB;
/** Kept at a time. */
const MAX_PAGES = (16 * MiB) / PAGE;

/** Of an image that is one compressed stream: bytes that may be decoded for a byte that may be read. 4 GiB for 16 MiB. */
const DECODED_PER_BYTE = 256;

/** The whole disk, in pages that are kept. Reads may overlap each other. */
export function diskVolume(image: DiskImage, { maxReadBytes, signal }: DiskVolumeOptions): DiskVolume {
  const size = image.virtualSize;
  /** The least recently used first. */
  const pages = new Map<number, Uint8Array>();
  let readBytes = 0;
  const read = image.isSequential ? sequentialRead(image, maxReadBytes * DECODED_PER_BYTE) : image.read;

  const readDisk = async (start: number, end: number): Promise<Uint8Array> => {
    requireNotAborted(signal);
    const length = Math.min(end, size) - start;
    if (readBytes + length > maxReadBytes) throw overBudget(maxReadBytes);
    readBytes += length;
    const bytes = new Uint8Array(length);
    await read(bytes, start);
    return bytes;
  };

  /** Has all pages of [start, end) in `pages`; reads those that are missing, neighbours together. */
  const load = async (start: number, end: number): Promise<void> => {
    for (let at = start; at < end; ) {
      const page = pages.get(at);
      if (page !== undefined) {
        pages.delete(at);
        pages.set(at, page);
        at += PAGE;
        continue;
      }
      let missingEnd = at + PAGE;
      while (missingEnd < end && !pages.has(missingEnd)) missingEnd += PAGE;
      const bytes = await readDisk(at, missingEnd);
      for (let within = 0; within < bytes.length; within += PAGE)
        pages.set(at + within, bytes.slice(within, within + PAGE));
      at = missingEnd;
    }
  };

  const trim = (): void => {
    for (const at of pages.keys()) {
      if (pages.size <= MAX_PAGES) return;
      pages.delete(at);
    }
  };

  return {
    size,
    get readBytes() {
      return readBytes;
    },
    async read(offset, length) {
      requireWithin(size, offset, length);
      if (length > MAX_KEPT) return readDisk(offset, offset + length);
      const start = alignDown(offset, PAGE);
      const end = alignUp(offset + length, PAGE);
      await load(start, end);
      const into = new Uint8Array(length);
      for (let at = start; at < end; at += PAGE) {
        const page = pages.get(at) ?? (await readDisk(at, at + PAGE));
        const from = Math.max(offset, at);
        into.set(page.subarray(from - at, Math.min(offset + length - at, page.length)), from - offset);
      }
      trim();
      return into;
    },
  };
}

/** The part [start, end) of a volume; what of it lies behind the volume's end is not there. */
export function volumePart(volume: Volume, start: number, end: number): Volume {
  const size = Math.max(0, Math.min(end, volume.size) - start);
  return {
    size,
    async read(offset, length) {
      requireWithin(size, offset, length);
      return volume.read(start + offset, length);
    },
  };
}

/** @throws CorruptImageError `bad-reference` unless [offset, offset + length) lies within a volume of `size` bytes */
export function requireWithin(size: number, offset: number, length: number): void {
  if (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= size
  )
    return;
  const message = `Bytes ${offset} to ${offset + length} are referred to in a volume of ${size} bytes.`;
  throw new CorruptImageError('bad-reference', message);
}

const overBudget = (maxReadBytes: number): BudgetError =>
  new BudgetError('over-budget', `Looking further would read more than ${maxReadBytes} bytes of the disk.`, {
    hint: 'Allow more to be read.',
  });
