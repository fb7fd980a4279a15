/** Which virtual size the output gets, and whether the data allows it. */

import { alignUp, MiB } from '../binary/align.ts';
import { OptionError, requireNotAborted } from '../errors.ts';
import type { DiskImage } from '../image/image.ts';
import type { Note } from '../image/reader.ts';
import { firstNonZero } from '../io/zeros.ts';

/** A size in bytes, `original` for the one that a ZVHD or ZVHD2 remembers, or the input's own. */
export type WantedSize = number | 'original' | undefined;

export interface OutputSize {
  readonly bytes: number;
  readonly notes: readonly Note[];
}

/** @param sizeUnit sizes that the output can have are multiples of this. @throws OptionError `bad-size` */
export const outputSize = (image: DiskImage, wanted: WantedSize, sizeUnit: number): OutputSize =>
  roundedSize(askedSize(image, wanted), sizeUnit);

/** A size that was asked for, as a disk can have it. @throws OptionError `bad-size` */
export function roundedSize(wanted: number, sizeUnit: number): OutputSize {
  const asked = requireSize(wanted);
  const bytes = alignUp(asked, sizeUnit);
  const message = `The virtual size ${asked} was rounded up to ${bytes} bytes, a multiple of ${sizeUnit}.`;
  return { bytes, notes: bytes === asked ? [] : [{ code: 'rounded-size', message }] };
}

function askedSize(image: DiskImage, wanted: WantedSize): number {
  if (wanted === undefined) return image.virtualSize;
  if (wanted === 'original') {
    if (image.details.originalSize !== undefined) return image.details.originalSize;
    throw new OptionError('bad-size', `A ${image.format} image remembers no original size.`, {
      hint: 'Give the size as a number.',
    });
  }
  return requireSize(wanted);
}

function requireSize(wanted: number): number {
  if (Number.isSafeInteger(wanted) && wanted >= 0) return wanted;
  throw new OptionError('bad-size', `A virtual size of ${wanted} bytes is not possible.`);
}

/**
 * Shrinking is possible over zeros only.
 * @throws OptionError `data-past-size`, with the place of the first byte that would be lost; CancelledError
 */
export async function requireZerosFrom(
  image: DiskImage,
  size: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const buffer = new Uint8Array(Math.max(0, Math.min(4 * MiB, image.virtualSize - size)));
  if (buffer.length === 0) return;
  for await (const extent of image.extents(size, image.virtualSize)) {
    if (extent.kind === 'zero') continue;
    const end = Math.min(extent.guestOffset + extent.length, image.virtualSize);
    for (let at = Math.max(extent.guestOffset, size); at < end; at += buffer.length) {
      requireNotAborted(signal);
      const part = buffer.subarray(0, Math.min(buffer.length, end - at));
      await image.read(part, at);
      const found = firstNonZero(part);
      if (found >= 0) throw dataPastSize(at + found, size);
    }
  }
}

const dataPastSize = (guestOffset: number, size: number): OptionError =>
  new OptionError('data-past-size', `The disk holds data past ${size} bytes.`, {
    guestOffset,
    hint: 'Shrink the partitions and filesystems in it first, or choose a larger size.',
  });
