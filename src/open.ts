/** Opens disk images of any format. */

import { MiB, TiB } from './binary/align.ts';
import {
  BudgetError,
  CorruptImageError,
  type ImageError,
  OptionError,
  UnsupportedFeatureError,
  withDetails,
} from './errors.ts';
import { type FormatName, formatNamed, formats, type OpenOptions } from './formats/index.ts';
import { concatenation } from './image/concat.ts';
import type { OpenContext } from './image/format.ts';
import { type DiskImage, diskImage } from './image/image.ts';
import { resolveOptions } from './image/options.ts';
import type { BackingReference } from './image/reader.ts';
import { type ByteSource, wholeOf } from './io/source.ts';
import { type EncryptedFile, type Passphrase, passphraseBytes } from './passphrase.ts';
import { type Probed, probe } from './probe.ts';
import {
  type Chain,
  chainName,
  type Reference,
  type ReferenceRules,
  requireNextInChain,
  resolveReference,
} from './references.ts';
import { openInput, openSource, type SourceInput, type SourceOptions } from './sources.ts';
import type { JobFile, JobImage, JobLayer } from './workers/job-image.ts';
import { availableThreads } from './workers/pool.ts';

export type ImageInput = SourceInput;

/** A format, and what can be chosen when it is read. */
type InputFormat = {
  [N in FormatName]: { readonly format: N; readonly options?: OpenOptions<N> };
}[FormatName];

/** How to open an image. Without `format` its bytes tell; raw is what nothing else answers for. */
export type OpenImageOptions = ReferenceRules &
  SourceOptions & {
    /**
     * Read on past damage: the image is opened if any of it can be read, and what cannot be fails when it is asked for.
     */
    readonly salvage?: boolean;
    /** The largest disk that is read, in bytes; 64 TiB by default. */
    readonly maxVirtualSize?: number;
    /** Bytes that the tables of an image may take in memory; 512 MiB by default. */
    readonly maxMetadataBytes?: number;
    /**
     * Open what is needed to describe and check the image, and nothing that it names. Reading guest data then throws
     * what stands in its way, if anything does.
     */
    readonly metadataOnly?: boolean;
    /** For encrypted images: also for those that the image builds on. Without it they can be described, not read. */
    readonly passphrase?: Passphrase;
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
  const source = await openInput(input, options);
  return openLayer(source, options, []);
}

/** Opens one file and what it builds on. @param chain the files above it; with the file itself when it is below one */
async function openLayer(source: ByteSource, options: OpenImageOptions, chain: Chain): Promise<OpenedImage> {
  const opened: { close(): Promise<void> }[] = [source];
  try {
    const { format, remarks }: Probed =
      options.format === undefined
        ? await probe(source)
        : { format: formatNamed(options.format), remarks: [] };
    const openOptions = resolveOptions(format.openOptions, options.options ?? {}, format.name);
    const dataFiles = new Map<string, ByteSource>();
    const openDataFile = async (name: string): Promise<ByteSource> => {
      const file = await openNamedDataFile(name, source, options);
      dataFiles.set(name, file);
      opened.push(file);
      return file;
    };
    const reader = await format
      .open(source, openOptions, {
        ...(!options.metadataOnly && { openDataFile }),
        salvage: options.salvage ?? false,
        maxMetadataBytes: options.maxMetadataBytes ?? MAX_METADATA_BYTES,
        ...unlocking(options, { name: source.name, format: format.name }),
      })
      .catch((error) => {
        throw withDetails(error, { format: format.name });
      });
    requireVirtualSize(reader.virtualSize, options, format.name);
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
    const reopen = threadImage(
      source,
      {
        format: format.name,
        options: openOptions,
        salvage: options.salvage ?? false,
        ...(reader.volumeKey && { volumeKey: reader.volumeKey }),
      },
      dataFiles,
      backing,
    );
    const image = diskImage(format.name, source, reader, backing);
    return unlisted({
      ...image,
      notes: [...image.notes, ...remarks],
      ...(reopen && { reopen }),
      format: format.name,
      isProbed: options.format === undefined,
      openOptions,
    });
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
  return unlisted({
    ...concatenation(images),
    format,
    isProbed,
    openOptions,
    ...(parts.length === images.length && { reopen: { parts } }),
  });
}

/** How an image is opened again may hold its key: who prints an image does not print that. */
function unlisted(image: OpenedImage): OpenedImage {
  if (image.reopen) Object.defineProperty(image, 'reopen', { enumerable: false });
  return image;
}

function unlocking(
  { passphrase, metadataOnly }: OpenImageOptions,
  image: EncryptedFile,
): Pick<OpenContext, 'unlock'> {
  if (passphrase === undefined || metadataOnly) return {};
  return { unlock: { passphrase: () => passphraseBytes(passphrase, image) } };
}

async function openNamedDataFile(
  name: string,
  owner: ByteSource,
  rules: ReferenceRules & SourceOptions,
): Promise<ByteSource> {
  const reference: Reference = { kind: 'data-file', name, from: owner.name };
  const missing = (hint: string) =>
    new UnsupportedFeatureError(
      'needs-data-file',
      `The guest data is in another file, ${JSON.stringify(name)}.`,
      { hint },
    );
  return openSource(await resolveReference([reference], owner, rules, missing), rules);
}

async function openBacking(
  reference: BackingReference,
  owner: ByteSource,
  options: OpenImageOptions,
  chain: Chain,
): Promise<OpenedImage> {
  const { kind, names, format } = reference;
  const references = names.map(
    (name): Reference => ({ kind, name, from: owner.name, ...(format !== undefined && { format }) }),
  );
  const found = await resolveReference(references, owner, options, (why) => reference.missing(why));
  const longer = requireNextInChain(chain, found, options);
  const { format: _, options: __, ...inherited } = options;
  const known = format === undefined ? undefined : backingFormat(format);
  const image = await openLayer(
    await openSource(found, options),
    {
      ...inherited,
      ...(known !== undefined && { format: known }),
    },
    longer,
  );
  const wrong = wrongIdentity(reference, image);
  if (wrong === undefined) return image;
  await image.close();
  throw wrong;
}

function wrongIdentity({ uuids, contentId }: BackingReference, image: OpenedImage): ImageError | undefined {
  const { specific } = image.details;
  const { name } = image.source;
  if (uuids !== undefined && !uuids.some((wanted) => wanted === specific.uuid)) {
    const message = `${name} has the UUID ${specific.uuid}, but ${uuids.join(' or ')} is wanted.`;
    const hint = 'It is another disk, or was made anew: find the parent that the image was made from.';
    return new CorruptImageError('bad-chain', message, { hint });
  }
  if (contentId !== undefined && specific.cid !== contentId) {
    const message = `${name} has the content ID ${specific.cid}, but ${contentId} is wanted.`;
    const hint =
      'It is another disk, or was written to since: take the parent as it was when the image was made.';
    return new CorruptImageError('bad-chain', message, { hint });
  }
  return undefined;
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

/** Nobody keeps a larger disk as an image; tables of blocks would take more memory than they are worth. */
const MAX_VIRTUAL_SIZE = 64 * TiB;
const MAX_METADATA_BYTES = 512 * MiB;

function requireVirtualSize(size: number, { maxVirtualSize }: OpenImageOptions, format: FormatName): void {
  const most = maxVirtualSize ?? MAX_VIRTUAL_SIZE;
  if (size <= most) return;
  throw new BudgetError(
    'over-budget',
    `The image claims a disk of ${size} bytes; at most ${most} are read.`,
    {
      format,
      hint: 'If it is what you expect, allow more with --max-virtual-size.',
    },
  );
}

function threadImage(
  source: ByteSource,
  how: Pick<JobLayer, 'format' | 'options' | 'salvage' | 'volumeKey'>,
  dataFiles: ReadonlyMap<string, ByteSource>,
  backing: OpenedImage | undefined,
): JobImage | undefined {
  const file = jobFile(source);
  if (file === undefined || (backing && !backing.reopen)) return undefined;
  const data = new Map<string, JobFile>();
  for (const [name, dataFile] of dataFiles) {
    const own = jobFile(dataFile);
    if (own === undefined) return undefined;
    data.set(name, own);
  }
  return {
    ...file,
    ...how,
    dataFiles: data,
    ...(backing?.reopen && { backing: backing.reopen }),
  };
}

const jobFile = ({ descriptor, size }: ByteSource) => descriptor && { descriptor, size };

/** Threads that wait for a server leave their cores to others. */
const THREADS_THAT_WAIT = 2;

/** How many threads read an image, unless the caller says: as many as the machine runs at once, and more for a far one. */
export const threadsToRead = ({ sources }: DiskImage): number =>
  availableThreads() +
  (sources.some(({ descriptor }) => descriptor && wholeOf(descriptor).kind === 'http')
    ? THREADS_THAT_WAIT
    : 0);
