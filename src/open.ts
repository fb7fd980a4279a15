/** Opens disk images of any format. */

import { fileURLToPath } from 'node:url';
import {
  CorruptImageError,
  OptionError,
  UnknownFormatError,
  UnsupportedFeatureError,
  withDetails,
} from './errors.ts';
import { type FormatName, formatBySuffix, formatNamed, formats, type OpenOptions } from './formats/index.ts';
import { concatenation } from './image/concat.ts';
import { type Format, PROBE_LENGTH, type ProbeSample } from './image/format.ts';
import { type DiskImage, diskImage } from './image/image.ts';
import { resolveOptions } from './image/options.ts';
import type { BackingReference } from './image/reader.ts';
import { openFileSource } from './io/file-source.ts';
import { memorySource } from './io/memory.ts';
import type { ByteSource } from './io/source.ts';
import {
  type Chain,
  chainName,
  type Reference,
  type ReferenceRules,
  requireNextInChain,
  resolveReference,
} from './references.ts';
import type { JobImage } from './workers/job-image.ts';

/** A path, a `file:` URL, the bytes themselves, or anything with a size that can be read. */
export type ImageInput = string | URL | Uint8Array | ByteSource;

/** A format, and what can be chosen when it is read. */
type InputFormat = {
  [N in FormatName]: { readonly format: N; readonly options?: OpenOptions<N> };
}[FormatName];

/** How to open an image. Without `format` its bytes tell; raw is what nothing else answers for. */
export type OpenImageOptions = ReferenceRules & {
  /**
   * Open what is needed to describe and check the image, and nothing that it names. Reading guest data then throws
   * what stands in its way, if anything does.
   */
  readonly metadataOnly?: boolean;
} & (InputFormat | { readonly format?: undefined; readonly options?: OpenOptions<FormatName> });

/** An opened image, and how it was opened. */
export interface OpenedImage extends DiskImage {
  readonly format: FormatName;
  /** Was the format told by the bytes, and not by the caller? */
  readonly isProbed: boolean;
  /** The options with which it was opened. */
  readonly openOptions: Readonly<Record<string, unknown>>;
  /** How a worker thread opens the same again; left out where a part of it is not a file. */
  readonly reopen?: JobImage;
}

/**
 * Opens a disk image. Close it when done, or declare it with `await using`. A source that the caller passes in is
 * closed with the image.
 * @throws UnknownFormatError when no format, or more than one, answers for the bytes
 * @throws CorruptImageError, UnsupportedFeatureError, BudgetError when the image, or one that it builds on, cannot be read
 * @throws ImageIoError when the file cannot
 * @throws OptionError for an option that the format does not have
 */
export async function openImage(input: ImageInput, options: OpenImageOptions = {}): Promise<OpenedImage> {
  const source = await openSource(input);
  return openLayer(source, options, []);
}

/** Opens one file and what it builds on. @param chain the files above it; with the file itself when it is below one */
async function openLayer(source: ByteSource, options: OpenImageOptions, chain: Chain): Promise<OpenedImage> {
  const opened: { close(): Promise<void> }[] = [source];
  try {
    const format = options.format === undefined ? await probe(source) : formatNamed(options.format);
    const openOptions = resolveOptions(format.openOptions, options.options ?? {}, format.name);
    let dataFile: ByteSource | undefined;
    const openDataFile = async (name: string): Promise<ByteSource> => {
      dataFile = await openNamedDataFile(name, source, options);
      opened.push(dataFile);
      return dataFile;
    };
    const reader = await format
      .open(source, openOptions, options.metadataOnly ? undefined : openDataFile)
      .catch((error) => {
        throw withDetails(error, { format: format.name });
      });
    if (reader.obstacle && !options.metadataOnly) throw withDetails(reader.obstacle, { format: format.name });
    const backing =
      reader.backing && !options.metadataOnly
        ? await openBacking(
            reader.backing,
            source,
            options,
            chain.length > 0 ? chain : [await chainName(source)],
          )
        : undefined;
    const reopen = threadImage(source, format.name, openOptions, dataFile, backing);
    return {
      ...diskImage(format.name, source, reader, backing),
      ...(reopen && { reopen }),
      format: format.name,
      isProbed: options.format === undefined,
      openOptions,
    };
  } catch (error) {
    for (const part of opened) await part.close();
    throw error;
  }
}

/**
 * Opens several images as one disk, one behind the other, each with the same options. One input is itself.
 * @throws what {@link openImage} throws
 */
export async function openImages(
  inputs: readonly ImageInput[],
  options: OpenImageOptions = {},
): Promise<OpenedImage> {
  const images: OpenedImage[] = [];
  try {
    for (const input of inputs) images.push(await openImage(input, options));
  } catch (error) {
    for (const image of images) await image.close();
    throw error;
  }
  const [first] = images;
  if (first === undefined) throw new OptionError('bad-option', 'There is no image to read.', {});
  if (images.length === 1) return first;
  const parts = images.flatMap(({ reopen }) => reopen ?? []);
  const { format, isProbed, openOptions } = first;
  return {
    ...concatenation(images),
    format,
    isProbed,
    openOptions,
    ...(parts.length === images.length && { reopen: { parts } }),
  };
}

async function openNamedDataFile(
  name: string,
  owner: ByteSource,
  rules: ReferenceRules,
): Promise<ByteSource> {
  const reference: Reference = { kind: 'data-file', name, from: owner.name };
  const missing = (hint: string) =>
    new UnsupportedFeatureError(
      'needs-data-file',
      `The guest data is in another file, ${JSON.stringify(name)}.`,
      { hint },
    );
  return openSource(await resolveReference([reference], owner, rules, missing));
}

async function openBacking(
  reference: BackingReference,
  owner: ByteSource,
  rules: ReferenceRules,
  chain: Chain,
): Promise<OpenedImage> {
  const { kind, names, format, uuid } = reference;
  const references = names.map(
    (name): Reference => ({ kind, name, from: owner.name, ...(format !== undefined && { format }) }),
  );
  const found = await resolveReference(references, owner, rules, (why) => reference.missing(why));
  const longer = requireNextInChain(chain, found, rules);
  const { allowPaths, resolve, maxDepth } = rules;
  const known = format === undefined ? undefined : backingFormat(format);
  const image = await openLayer(
    await openSource(found),
    {
      ...(known !== undefined && { format: known }),
      ...(allowPaths && { allowPaths }),
      ...(resolve && { resolve }),
      ...(maxDepth !== undefined && { maxDepth }),
    },
    longer,
  );
  if (uuid === undefined || image.details.specific.uuid === uuid) return image;
  await image.close();
  throw new CorruptImageError(
    'bad-chain',
    `${image.source.name} has the UUID ${image.details.specific.uuid}, but ${uuid} is wanted.`,
    { hint: 'It is another disk, or was made anew: find the parent that the image was made from.' },
  );
}

/** QEMU's names for protocols are in use as formats too: what they hold is raw. */
const RAW_PROTOCOLS: readonly string[] = ['file', 'host_device'];

/** @throws UnsupportedFeatureError for a format that is not known */
function backingFormat(name: string): FormatName {
  if (RAW_PROTOCOLS.includes(name)) return 'raw';
  const known = formats.find((format) => format.name === name || format.aliases.includes(name));
  if (known) return known.name;
  throw new UnsupportedFeatureError('unsupported-feature', `The backing file is said to be ${name}.`, {
    hint: `Formats: ${formats.map((format) => format.name).join(', ')}.`,
  });
}

function threadImage(
  source: ByteSource,
  format: FormatName,
  options: Readonly<Record<string, unknown>>,
  dataFile: ByteSource | undefined,
  backing: OpenedImage | undefined,
): JobImage | undefined {
  const file = jobFile(source);
  const data = dataFile && jobFile(dataFile);
  if (file === undefined || (dataFile && !data) || (backing && !backing.reopen)) return undefined;
  return {
    ...file,
    format,
    options,
    ...(data && { dataFile: data }),
    ...(backing?.reopen && { backing: backing.reopen }),
  };
}

const jobFile = ({ descriptor, size }: ByteSource) =>
  descriptor && { path: descriptor.path, size, version: descriptor.version };

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
