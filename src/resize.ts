/** Makes the disk of an image larger, in place. */

import { roundedSize } from './conversion/size.ts';
import { OptionError, UnsupportedFeatureError, withDetails } from './errors.ts';
import { type FormatName, formatNamed } from './formats/index.ts';
import type { Note } from './image/reader.ts';
import { openFileEditor } from './io/file-editor.ts';
import { openImage } from './open.ts';
import { requireUnpacked } from './sources.ts';

export interface ResizeOptions {
  /** The format of the image; by default its bytes tell. */
  readonly format?: FormatName;
}

/** A virtual size in bytes, or how many bytes more than now. */
export type NewSize = number | { readonly growBy: number };

export interface ResizeReport {
  readonly filename: string;
  readonly format: FormatName;
  /** Bytes that the guest sees, before and now. */
  readonly previousVirtualSize: number;
  readonly virtualSize: number;
  readonly notes: readonly Note[];
}

/**
 * Makes the disk of the image file `path` larger; zeros are added. Only metadata is written, in an order in which the
 * file is an image of the old or of the new size wherever a crash stops it, with the same bytes. Nobody else may use the
 * image meanwhile.
 *
 * raw, fixed VHD and qcow2 grow; a dynamic VHD as far as its block table has room. Everything else is refused: `convert`
 * with a size makes a new image instead.
 * @throws OptionError `bad-size` for a size that is smaller, or not possible; UnsupportedFeatureError when this image
 * cannot grow in place; ImageIoError; what {@link openImage} throws
 */
export async function resizeImage(
  path: string,
  size: NewSize,
  options: ResizeOptions = {},
): Promise<ResizeReport> {
  const { name, virtualSize: before } = await look(path, options);
  const format = formatNamed(name);
  const wanted = roundedSize(typeof size === 'number' ? size : before + size.growBy, format.sizeUnit);
  if (wanted.bytes < before) throw cannotShrink(path, before, wanted.bytes);
  if (!format.grow) throw cannotGrow(name, wanted.bytes);
  if (wanted.bytes > before) {
    const file = await openFileEditor(path);
    try {
      await format.grow(file, wanted.bytes);
    } catch (error) {
      throw withDetails(error, { format: name });
    } finally {
      await file.close();
    }
  }
  return {
    filename: path,
    format: name,
    previousVirtualSize: before,
    virtualSize: wanted.bytes,
    notes: wanted.notes,
  };
}

/** What the image is; it is closed again before it is changed. */
async function look(
  path: string,
  options: ResizeOptions,
): Promise<{ readonly name: FormatName; readonly virtualSize: number }> {
  await using image = await openImage(path, { ...options, metadataOnly: true });
  requireUnpacked(image.source, 'be changed in place');
  return { name: image.format, virtualSize: image.virtualSize };
}

const cannotShrink = (path: string, before: number, wanted: number): OptionError =>
  new OptionError('bad-size', `The disk has ${before} bytes, and cannot be made smaller in place.`, {
    hint: `Convert it: diskimg convert --size ${wanted} ${path} NEW-FILE. That is possible over zeros only.`,
  });

const cannotGrow = (format: FormatName, wanted: number): UnsupportedFeatureError =>
  new UnsupportedFeatureError('unsupported-feature', `A ${format} image cannot be changed in place.`, {
    format,
    hint: `Convert it with diskimg convert --size ${wanted}.`,
  });
