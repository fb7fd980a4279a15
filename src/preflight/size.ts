/** How large the disk is, for its guest and for a cloud, and which disk holds it. Pure. */

import { alignDown, alignUp, GiB, MiB } from '../binary/align.ts';
import type { DiskContents } from '../inspect/contents.ts';
import type { ImageFacts, ImportFacts, VhdSizes } from './subject.ts';

/** Sizes in bytes, GiB where the name says so. */
export interface SizeReport {
  /** What the guest sees. */
  readonly guestSize: number;
  /** What a cloud sees: the larger one where readers differ. */
  readonly cloudSize: number;
  /** Where that stands: `the current size in the footer`. */
  readonly cloudSizeIs: string;
  /** The smallest disk of whole GiB that holds it. */
  readonly smallestDiskGiB: number;
  /** What was asked for when the image was made, where it remembers another one. */
  readonly originalSize?: number;
  /** The disk that was chosen, and whether it holds the image. */
  readonly diskSize?: number;
  readonly fits?: boolean;
  /** A VHD that was rounded up to whole cylinders: what was meant, and how much was added. */
  readonly roundedUp?: RoundedUp;
  /** The two sizes of a VHD whose readers differ. */
  readonly disputed?: { readonly currentSize: number; readonly chsSize: number };
}

export interface RoundedUp {
  readonly meantSize: number;
  readonly addedBytes: number;
}

export function sizeReport(image: ImageFacts, { diskSize }: ImportFacts): SizeReport {
  const { virtualSize, vhd, originalSize } = image;
  const isDisputed = vhd !== undefined && vhd.rule === 'chs' && vhd.currentSize !== vhd.chsSize;
  const cloudSize = isDisputed ? Math.max(vhd.currentSize, vhd.chsSize) : virtualSize;
  const rounding = vhd && roundedUp(cloudSize, vhd);
  return {
    guestSize: virtualSize,
    cloudSize,
    cloudSizeIs: whereSize(image, cloudSize),
    smallestDiskGiB: Math.max(1, alignUp(cloudSize, GiB) / GiB),
    ...(originalSize !== undefined && originalSize !== virtualSize && { originalSize }),
    ...(diskSize !== undefined && { diskSize, fits: diskSize >= cloudSize }),
    ...(rounding && { roundedUp: rounding }),
    ...(isDisputed && { disputed: { currentSize: vhd.currentSize, chsSize: vhd.chsSize } }),
  };
}

function whereSize({ format, vhd }: ImageFacts, size: number): string {
  if (vhd !== undefined) {
    if (vhd.currentSize === vhd.chsSize) return 'current size and geometry in the footer agree';
    return size === vhd.currentSize ? 'the current size in the footer' : 'the geometry in the footer';
  }
  if (format === 'zvhd' || format === 'zvhd2') return 'its size, rounded up to whole GiB as its readers do';
  return 'its virtual size';
}

/**
 * A size that a whole number of cylinders makes just above one that a person asks for: qemu-img without force_size, and
 * Virtual PC, round up so. A whole number of MiB is within one cylinder below by chance in half of the cases at most, so
 * the geometry must be that of the size, too.
 */
function roundedUp(size: number, { chsSize, cylinderSize }: VhdSizes): RoundedUp | undefined {
  if (size !== chsSize || size % MiB === 0) return undefined;
  const meant = [GiB, MiB].map((unit) => alignDown(size, unit)).find((below) => size - below < cylinderSize);
  return meant === undefined || meant === 0 ? undefined : { meantSize: meant, addedBytes: size - meant };
}

/**
 * Does nothing stand behind this offset, as far as is known? The backup of a GPT stands at the end of the disk, unless the
 * disk grew behind it. What was not looked at a conversion finds out: it cuts off zeros only.
 */
export function canEndAt(size: number, contents: DiskContents | undefined): boolean {
  if (contents === undefined || contents.table === 'none') return true;
  const { table, usedEnd, notes } = contents;
  const has = (wanted: string): boolean => notes.some(({ code }) => code === wanted);
  if (has('data-past-partitions') || usedEnd > size) return false;
  return table === 'mbr' || has('gpt-backup-not-at-end');
}

/** The virtual size that the image gets where sizes are multiples of `sizeUnit`: the one that was meant if that is possible, or the next larger one. */
export function targetSize(
  image: ImageFacts,
  contents: DiskContents | undefined,
  sizeUnit: number | undefined,
): number {
  const { roundedUp } = sizeReport(image, {});
  const isMeantFit = roundedUp !== undefined && roundedUp.meantSize % (sizeUnit ?? 1) === 0;
  if (isMeantFit && canEndAt(roundedUp.meantSize, contents)) return roundedUp.meantSize;
  return alignUp(image.virtualSize, sizeUnit ?? 1);
}
