/** What is where on a disk, under qemu-img's names: the extents of an image as `qemu-img map` tells them. */

import { OptionError } from './errors.ts';
import { formatNamed } from './formats/index.ts';
import { type Extent, mergedStream } from './image/extent.ts';
import type { DiskImage } from './image/image.ts';

/** A guest range with one status: the keys of `qemu-img map --output=json`. Offsets and lengths in bytes. */
export interface MapEntry {
  /** First byte on the virtual disk. */
  readonly start: number;
  readonly length: number;
  /** How many files down the backing chain it is told: 0 is the image itself. */
  readonly depth: number;
  /** Does a file say what is here? Of formats that cannot leave it open every file does. */
  readonly present: boolean;
  /** Is it known to read as zeros? */
  readonly zero: boolean;
  /** Is there data in the file? */
  readonly data: boolean;
  /** Is the data compressed? */
  readonly compressed: boolean;
  /** Where it stands in the file of its depth; only where the guest bytes stand there as they are. */
  readonly offset?: number;
}

/** The part of the disk to map, by default all of it; what is past its end is left out. */
export interface MapRange {
  readonly start?: number;
  readonly length?: number;
}

/**
 * The map of a disk: sorted, gapless, neighbours that say the same merged. Only metadata is read. A disk of a TiB can
 * have millions of entries, so they come one by one.
 * @throws OptionError `bad-size` for a start that is not on the disk; CorruptImageError for metadata that breaks a rule
 */
export async function* mapImage(image: DiskImage, range: MapRange = {}): AsyncGenerator<MapEntry> {
  const { start = 0, length = image.virtualSize } = range;
  for (const value of [start, length]) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new OptionError('bad-size', `A range of ${length} bytes from ${start} is not possible.`);
  }
  const end = Math.min(start + length, image.virtualSize);
  yield* mergedStream(entries(image, start, Math.max(start, end)), mergeEntries);
}

async function* entries(image: DiskImage, from: number, to: number): AsyncGenerator<MapEntry> {
  const layers = layersOf(image);
  for await (const extent of image.extents(from, to)) yield entryOf(layers, extent, from, to);
}

/** One file of a backing chain. */
interface Layer {
  readonly name: string;
  /** Does its format tell what was never written from zeros? */
  readonly tellsHoles: boolean;
  /** Do the guest's bytes stand at their own offsets? */
  readonly isFlat: boolean;
}

function layersOf(image: DiskImage): readonly Layer[] {
  const layers: Layer[] = [];
  for (let layer: DiskImage | undefined = image; layer; layer = layer.backing) {
    const { format, source, unit } = layer;
    layers.push({
      name: source.name,
      tellsHoles: formatNamed(format).tellsHoles ?? false,
      isFlat: unit === 1,
    });
  }
  return layers;
}

/** The names of the files that the depths of a map stand for. */
export const mapFiles = (image: DiskImage): readonly string[] => layersOf(image).map(({ name }) => name);

function entryOf(layers: readonly Layer[], extent: Extent, from: number, to: number): MapEntry {
  const start = Math.max(extent.guestOffset, from);
  const depth = extent.depth ?? 0;
  const { tellsHoles, isFlat } = layers[depth] as Layer;
  const isZero = extent.kind === 'zero';
  return {
    start,
    length: Math.min(extent.guestOffset + extent.length, to) - start,
    depth,
    present: !isZero || extent.explicit === true || !tellsHoles,
    zero: isZero,
    data: !isZero,
    compressed: extent.kind === 'packed' && extent.codec !== 'cipher',
    // The holes of a flat file have a place too.
    ...(extent.kind === 'data' && { offset: extent.fileOffset }),
    ...(isZero && isFlat && { offset: extent.guestOffset }),
  };
}

/** One entry for two neighbours that say the same, or undefined. */
function mergeEntries(before: MapEntry, after: MapEntry): MapEntry | undefined {
  const isSame = (['depth', 'present', 'zero', 'compressed'] as const).every(
    (key) => before[key] === after[key],
  );
  const follows =
    before.offset === undefined ? after.offset === undefined : before.offset + before.length === after.offset;
  return isSame && follows ? { ...before, length: before.length + after.length } : undefined;
}
