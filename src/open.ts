/** Opens disk images of any format. */

import { fileURLToPath } from 'node:url';
import { OptionError, UnknownFormatError, withDetails } from './errors.ts';
import { type FormatName, formatBySuffix, formatNamed, formats, type OpenOptions } from './formats/index.ts';
import { type Format, PROBE_LENGTH, type ProbeSample } from './image/format.ts';
import { type DiskImage, diskImage } from './image/image.ts';
import { resolveOptions } from './image/options.ts';
import { openFileSource } from './io/file-source.ts';
import { memorySource } from './io/memory.ts';
import type { ByteSource } from './io/source.ts';

/** A path, a `file:` URL, the bytes themselves, or anything with a size that can be read. */
export type ImageInput = string | URL | Uint8Array | ByteSource;

/** A format, and what can be chosen when it is read. */
type InputFormat = {
  [N in FormatName]: { readonly format: N; readonly options?: OpenOptions<N> };
}[FormatName];

/** How to open an image. Without `format` its bytes tell; raw is what nothing else answers for. */
export type OpenImageOptions =
  | InputFormat
  | { readonly format?: undefined; readonly options?: OpenOptions<FormatName> };

/** An opened image, and how it was opened. */
export interface OpenedImage extends DiskImage {
  readonly format: FormatName;
  /** Was the format told by the bytes, and not by the caller? */
  readonly isProbed: boolean;
  /** The options with which it was opened. */
  readonly openOptions: Readonly<Record<string, unknown>>;
}

/**
 * Opens a disk image. Close it when done, or declare it with `await using`. A source that the caller passes in is
 * closed with the image.
 * @throws UnknownFormatError when no format, or more than one, answers for the bytes
 * @throws CorruptImageError, UnsupportedFeatureError, BudgetError when the image cannot be read
 * @throws ImageIoError when the file cannot
 * @throws OptionError for an option that the format does not have
 */
export async function openImage(input: ImageInput, options: OpenImageOptions = {}): Promise<OpenedImage> {
  const source = await openSource(input);
  try {
    const format = options.format === undefined ? await probe(source) : formatNamed(options.format);
    const openOptions = resolveOptions(format.openOptions, options.options ?? {}, format.name);
    const reader = await format.open(source, openOptions).catch((error) => {
      throw withDetails(error, { format: format.name });
    });
    return {
      ...diskImage(format.name, source, reader),
      format: format.name,
      isProbed: options.format === undefined,
      openOptions,
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openSource(input: ImageInput): Promise<ByteSource> {
  if (typeof input === 'string') return openFileSource(input);
  if (input instanceof Uint8Array) return memorySource(input);
  if (!(input instanceof URL)) return input;
  if (input.protocol === 'file:') return openFileSource(fileURLToPath(input));
  throw new OptionError('bad-option', `${input.protocol} URLs cannot be opened.`, {
    hint: 'Download the image first.',
  });
}

/** @throws UnknownFormatError `ambiguous-format`, or `unknown-format` for what only its name says to be an image */
async function probe(source: ByteSource): Promise<Format<FormatName>> {
  const sample = await probeSample(source);
  const answers = formats.filter((format) => format.probe(sample));
  if (answers.length > 1) {
    const names = answers.map(({ name }) => name).join(' and ');
    throw new UnknownFormatError('ambiguous-format', `${source.name} can be read as ${names}.`, {
      hint: 'Say which with -f, if you trust where it comes from.',
    });
  }
  return answers[0] ?? rawUnlessNamedOtherwise(source.name);
}

async function probeSample(source: ByteSource): Promise<ProbeSample> {
  const length = Math.min(PROBE_LENGTH, source.size);
  const head = new Uint8Array(length);
  const tail = new Uint8Array(length);
  await source.read(head, 0);
  await source.read(tail, source.size - length);
  return { head, tail, size: source.size };
}

/** Half a download of a fixed VHD looks like raw: what its name says is believed enough to ask. */
function rawUnlessNamedOtherwise(name: string): Format<FormatName> {
  const raw = formatNamed('raw');
  const named = formatBySuffix(name);
  if (named === undefined || named === raw) return raw;
  throw new UnknownFormatError('unknown-format', `${name} is named like ${named.name}, but holds none.`, {
    fileOffset: 0,
    hint: 'It is damaged or incomplete; or, if these are the bytes of a disk, say -f raw.',
  });
}
