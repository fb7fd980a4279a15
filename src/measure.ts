/** How large the file of a conversion will be, before it is made. */

import { requireBlockCount } from './conversion/output.ts';
import { outputSize, requireZerosFrom, roundedSize } from './conversion/size.ts';
import { surveyData, surveyMetadata } from './conversion/survey.ts';
import type { OutputFormat } from './convert.ts';
import { writableFormatNamed } from './formats/index.ts';
import {
  type Allocation,
  createAllocationBits,
  freezeAllocation,
  uniformAllocation,
} from './image/allocation.ts';
import type { Identity } from './image/identity.ts';
import { layOut } from './image/layout.ts';
import { resolveOptions } from './image/options.ts';
import type { Writer } from './image/writer.ts';
import { type ImageInput, type OpenImageOptions, openImage } from './open.ts';

export type MeasureOptions = OutputFormat & {
  /** How to open the input; by default its bytes tell. */
  readonly input?: OpenImageOptions;
  /** The output's virtual size, as for a conversion. */
  readonly size?: number | 'original';
  /** Read the data, and leave out the blocks that hold nothing but zeros, as a conversion will. */
  readonly scan?: boolean;
  readonly signal?: AbortSignal;
};

/** The keys of `qemu-img measure --output=json`, and `exact`. Bytes. */
export interface Measurement {
  /** The size of the file. */
  readonly required: number;
  /** The size of the file of a disk that is full of data; at most, where it is compressed. */
  readonly 'fully-allocated': number;
  /** Will the file have exactly the required size? Otherwise it has that at most. */
  readonly exact: boolean;
}

/** A disk of zeros. */
export interface EmptyDisk {
  readonly virtualSize: number;
}

/**
 * Measures the file that a conversion of `input` would write, or that of an empty disk.
 *
 * For raw and fixed VHD the size is exact: it follows from the virtual size. For uncompressed formats it is exact with
 * `scan`, which reads all data; from metadata alone it is an upper bound, because a conversion also leaves out blocks of
 * zeros that the source stores. For compressed formats it is an upper bound, for data that does not compress at all:
 * with `scan` only without the blocks of zeros.
 * @throws ImageError and its classes: see {@link openImage} for the input; OptionError `bad-option`, `bad-size`, and with
 * `scan` also `data-past-size`
 */
export async function measure(input: ImageInput | EmptyDisk, options: MeasureOptions): Promise<Measurement> {
  const format = writableFormatNamed(options.format);
  const createOptions = resolveOptions(format.createOptions, options.options ?? {}, format.name);
  if (isEmptyDisk(input)) {
    const writer = format.writer(roundedSize(input.virtualSize, format.sizeUnit).bytes, createOptions, {});
    return measurement(writer, uniformAllocation(requireBlockCount(writer), false), true);
  }
  await using image = await openImage(input, options.input);
  const size = outputSize(image, options.size, format.sizeUnit);
  const writer = format.writer(size.bytes, createOptions, {});
  if (options.scan) await requireZerosFrom(image, size.bytes, options.signal);
  if (isInPlace(writer)) return measurement(writer, uniformAllocation(requireBlockCount(writer), true), true);
  const stored = createAllocationBits(requireBlockCount(writer));
  if (options.scan) await surveyData(image, writer, stored, options.signal);
  else await surveyMetadata(image, writer, stored);
  return measurement(writer, freezeAllocation(stored), options.scan ?? false);
}

const isEmptyDisk = (input: ImageInput | EmptyDisk): input is EmptyDisk =>
  typeof input === 'object' && 'virtualSize' in input;

const isInPlace = (writer: Writer): boolean => writer.kind === 'layout' && writer.placement === 'in-place';

/** @param isKnown are those the blocks that will be stored, or may some of them be left out? */
function measurement(writer: Writer, stored: Allocation, isKnown: boolean): Measurement {
  return {
    required: fileSize(writer, stored),
    'fully-allocated': fileSize(writer, uniformAllocation(stored.blockCount, true)),
    exact: stored.storedCount === 0 || isInPlace(writer) || (isKnown && writer.kind === 'layout'),
  };
}

/** Sizes do not depend on it. */
const ANYONE: Identity = { uuid: new Uint8Array(16), timestamp: 0 };

const fileSize = (writer: Writer, stored: Allocation): number =>
  writer.kind === 'layout' ? layOut(writer, stored, ANYONE).size : writer.maxFileSize(stored);
