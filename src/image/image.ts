/** An opened disk image: the rich access above a format's narrow reader. */

import { OptionError, withDetails } from '../errors.ts';
import type { ByteSource } from '../io/source.ts';
import { throughBacking } from './backing.ts';
import { clipExtent, type Extent, guestEnd, mergedExtents, type OwnExtent } from './extent.ts';
import { type GuestReader, guestReader, widened } from './read-extents.ts';
import type { ImageDetails, ImageReader, Note } from './reader.ts';

export interface DiskImage extends AsyncDisposable {
  /** The name of its format, as in the list of formats. */
  readonly format: string;
  /** Where its bytes come from. */
  readonly source: ByteSource;
  /** All that is read of it: its file, its data files, and those of the images on which it builds. */
  readonly sources: readonly ByteSource[];
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
  /** Natural block in bytes, a power of two; reads at its multiples are the cheapest. */
  readonly unit: number;
  /** Must it be read in guest order to be fast? */
  readonly isSequential: boolean;
  readonly details: ImageDetails;
  /** The image on which it builds, where it does and that was opened. */
  readonly backing?: DiskImage;
  /** What a user should know, though the image can be read. */
  readonly notes: readonly Note[];
  /**
   * The extents of the guest range [from, to), by default of the whole disk: sorted, gapless, merged. The first and
   * the last are clipped to the range, except a compressed block, which is always whole.
   * @throws CorruptImageError where the metadata breaks a rule of the format
   */
  extents(from?: number, to?: number): AsyncIterable<Extent>;
  /**
   * Fills all of `into` with guest bytes from `guestOffset`.
   * @throws OptionError `bad-size` for a range that is not on the disk, CorruptImageError, ImageIoError
   */
  read(into: Uint8Array, guestOffset: number): Promise<void>;
  /** @throws ImageIoError `source-changed` when a file that it reads is no longer what was opened */
  requireUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** @param backing the image that the reader's reference stands for, opened; it is closed with this one */
export function diskImage(
  format: string,
  source: ByteSource,
  reader: ImageReader,
  backing?: DiskImage,
): DiskImage {
  const { virtualSize, details } = reader;
  const isSequential = (reader.isSequential ?? false) || (backing?.isSequential ?? false);

  /** @throws ImageError while something is in the way of the guest data */
  function requireReadable(): void {
    if (reader.obstacle) throw reader.obstacle;
    if (reader.backing && !backing) throw reader.backing.missing('It was not opened.');
  }

  function requireOnDisk(from: number, to: number): void {
    if (Number.isSafeInteger(from) && 0 <= from && from <= to && to <= virtualSize) return;
    throw new OptionError('bad-size', `[${from}, ${to}) is not a range of a disk of ${virtualSize} bytes.`);
  }

  /** Guest readers reuse buffers, so each serves one call at a time. */
  const idle: GuestReader[] = [];
  async function readOnce(into: Uint8Array, guestOffset: number): Promise<void> {
    const guest = idle.pop() ?? guestReader(source, reader, backing);
    try {
      await guest.read(into, guestOffset);
    } catch (error) {
      throw withDetails(error, { format });
    }
    idle.push(guest);
  }

  /** A sequential image has one decoder: calls queue up behind each other. */
  let last: Promise<void> = Promise.resolve();
  function readInTurn(into: Uint8Array, guestOffset: number): Promise<void> {
    const turn = last.then(() => readOnce(into, guestOffset));
    last = turn.catch(() => {}); // the caller of this turn sees the error; the next turn starts afresh
    return turn;
  }

  async function* extents(from: number, to: number): AsyncGenerator<Extent> {
    requireOnDisk(from, to);
    requireReadable();
    if (from === to) return;
    try {
      const own = ownWithin(mergedExtents(reader.extents(...widened(reader, from, to))), from, to);
      // Without a backing image nobody says 'backing': a stage less for disks of millions of extents.
      yield* reader.backing ? mergedExtents(throughBacking(own, backing)) : (own as AsyncGenerator<Extent>);
    } catch (error) {
      throw withDetails(error, { format });
    }
  }

  async function close(): Promise<void> {
    await source.close();
    for (const file of reader.dataFiles ?? []) await file.close();
    await backing?.close();
  }
  return {
    format,
    source,
    sources: [source, ...(reader.dataFiles ?? []), ...(backing?.sources ?? [])],
    virtualSize,
    unit: Math.max(reader.unit, backing?.unit ?? 1),
    isSequential,
    details,
    notes: [...(source.remarks ?? []), ...reader.notes, ...(backing?.notes ?? [])],
    ...(backing && { backing }),
    extents: (from = 0, to = virtualSize) => extents(from, to),
    async read(into, guestOffset) {
      requireOnDisk(guestOffset, guestOffset + into.length);
      requireReadable();
      await (isSequential ? readInTurn(into, guestOffset) : readOnce(into, guestOffset));
    },
    async requireUnchanged() {
      await source.requireUnchanged?.();
      for (const file of reader.dataFiles ?? []) await file.requireUnchanged?.();
      await backing?.requireUnchanged();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function* ownWithin(
  extents: AsyncIterable<OwnExtent>,
  from: number,
  to: number,
): AsyncGenerator<OwnExtent> {
  for await (const extent of extents) {
    const isInRange = extent.guestOffset < to && guestEnd(extent) > from;
    if (isInRange) yield clipExtent(extent, from, to);
  }
}
