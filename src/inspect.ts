/** What is on the disk of an image: its partitions, what fills them, how a machine starts from it, and which system. */

import { OptionError } from './errors.ts';
import { type ImageInfo, imageInfo } from './info.ts';
import type { DiskContents } from './inspect/contents.ts';
import { type ImageInput, type OpenImageOptions, openImage } from './open.ts';

export interface InspectOptions {
  /** How to open the image; by default its bytes tell. */
  readonly input?: OpenImageOptions;
  /** Bytes of the disk that may be read; 16 MiB by default. What does not fit is in the report as not looked at. */
  readonly maxReadBytes?: number;
  readonly signal?: AbortSignal;
}

export interface DiskReport {
  readonly info: ImageInfo;
  readonly contents: DiskContents;
}

/**
 * Looks into the disk of an image, without mounting it and without writing. What is damaged on the disk is in the report;
 * thrown is what keeps the image from being read.
 * @throws ImageError and its classes: see {@link openImage}; OptionError `bad-option`; CancelledError when `signal` was
 * aborted
 */
export async function inspectImage(input: ImageInput, options: InspectOptions = {}): Promise<DiskReport> {
  const { maxReadBytes, signal } = options;
  if (maxReadBytes !== undefined && !(Number.isSafeInteger(maxReadBytes) && maxReadBytes > 0)) {
    throw new OptionError('bad-option', `maxReadBytes is ${maxReadBytes}: a number of bytes is wanted.`);
  }
  await using image = await openImage(input, options.input);
  const { inspectDisk } = await import('./inspect/inspect-disk.ts');
  const contents = await inspectDisk(image, { signal, maxReadBytes });
  await image.requireUnchanged();
  return { info: imageInfo(image), contents };
}
