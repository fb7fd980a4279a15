/** What an input is: a file, bytes, or something behind a network; opened as a source, a disk in an archive too. */

import { fileURLToPath } from 'node:url';
import { type Archive, chosenMember, isNamedAsOva, isOva, readArchive } from './archive/ova.ts';
import { isTar } from './archive/tar-walk.ts';
import { MiB, TiB } from './binary/align.ts';
import {
  isNamedAsWrapped,
  unwrapped,
  WRAPPER_HEAD,
  type Wrapper,
  wrapperNamed,
  wrapperOf,
} from './codecs/wrapper.ts';
import { MAX_EXPANSION, mostData } from './conversion/expansion.ts';
import { ImageIoError, OptionError, UnknownFormatError, UnsupportedFeatureError } from './errors.ts';
import { formatBySuffix } from './formats/index.ts';
import type { Note } from './image/reader.ts';
import { blobSource } from './io/blob-source.ts';
import { openFileSource } from './io/file-source.ts';
import { spoolToFile } from './io/file-spool.ts';
import type { HttpOptions } from './io/http-source.ts';
import { memorySource } from './io/memory.ts';
import { partOf } from './io/part.ts';
import type { ByteSource } from './io/source.ts';

/** What comes in one direction only: a web stream, one of Node, a generator of bytes. */
export type InputStream = AsyncIterable<Uint8Array> & { readonly name?: string | undefined };

/**
 * A path; a `file:`, `http:` or `https:` URL, as text too; a `Blob` or a `File`; the bytes themselves; anything with a
 * size that can be read; or a stream, which is kept in a temporary file until the image is closed.
 */
export type SourceInput = string | URL | Uint8Array | Blob | ByteSource | InputStream;

export interface SourceOptions {
  /** How servers are asked. */
  readonly http?: HttpOptions;
  /**
   * Download what a server does not give parts of into a temporary file, which is removed when the image is closed. Without
   * it such a server is an error.
   */
  readonly spool?: boolean;
  /** Bytes that a temporary file may have; 1 TiB by default. */
  readonly maxSpoolBytes?: number;
  /** How many times larger than a file the data may be that it unpacks to, above 1 GiB; 4000 by default. */
  readonly maxExpansion?: number;
  /** Of an archive (OVA, tar): the member to read, by its name. It can be left out where there is one disk. */
  readonly member?: string;
}

const MAX_SPOOL_BYTES = TiB;

/** What is asked of an input beside the options of its source. */
export interface InputOptions extends SourceOptions {
  /** The format that the caller says it has. */
  readonly format?: string | undefined;
}

/**
 * Opens an input of the caller's: unpacked where it is compressed as a whole (gzip, zstd, xz or bzip2), and of an OVA the disk
 * in it, which stays where it stands. A file that is said to have a format is what it is, unless its name tells of the packing:
 * the first bytes of a raw disk are its guest's to choose. A member that is asked for is looked for in any tar archive.
 * @throws what {@link openSource} throws; CorruptImageError `truncated`, `bad-header`, `bad-data`; ImageError `needs-member`;
 * OptionError for a member that is not there; UnknownFormatError for what is only named as an OVA; BudgetError
 */
export async function openInput(input: SourceInput, options: InputOptions): Promise<ByteSource> {
  const source = await openContainer(input, options);
  return onFailureClosed(source, async () => {
    const archive = await archiveIn(source, options);
    if (archive === undefined) return source;
    return memberIn(source, archive, options);
  });
}

/**
 * The member that was asked for, or the only disk, unpacked where it is compressed.
 * @param source closed with what is returned
 */
export async function memberIn(
  source: ByteSource,
  archive: Archive,
  options: InputOptions,
): Promise<ByteSource> {
  const { name, start, size } = chosenMember(archive, options.member);
  const remarks = [...(source.remarks ?? []), ...sizeRemarks(archive, name, size)];
  const part = {
    ...partOf(source, { name: `${source.name}/${name}`, start, size }),
    ...(remarks.length > 0 && { remarks }),
  };
  // What the descriptor calls compressed is seen by its bytes.
  return {
    ...(await unwrappedInput(part, options)),
    takenFrom: { archive: source.name, kind: archive.kind, member: name },
  };
}

/** The same without choosing a disk: of an OVA the archive itself. */
export async function openContainer(input: SourceInput, options: InputOptions): Promise<ByteSource> {
  const source = await openSource(input, options);
  // What was unpacked before is what it is.
  if (source.takenFrom !== undefined || source.wrapper !== undefined) return source;
  // What is said to be of a format is not even looked at.
  if (options.format !== undefined && !isNamedAsWrapped(source.name)) return source;
  return onFailureClosed(source, () => unwrappedInput(source, options));
}

async function unwrappedInput(source: ByteSource, options: SourceOptions): Promise<ByteSource> {
  const head = new Uint8Array(Math.min(WRAPPER_HEAD, source.size));
  await source.read(head, 0);
  const wrapper = wrapperOf(head);
  if (wrapper === undefined) return source;
  const unpacking = await unpacked(source, wrapper, options);
  await source.close();
  return unpacking;
}

async function onFailureClosed(source: ByteSource, open: () => Promise<ByteSource>): Promise<ByteSource> {
  try {
    return await open();
  } catch (error) {
    await source.close();
    throw error;
  }
}

/**
 * What is in the source, where that is an archive of disks; it stays open.
 * @throws OptionError when a member is asked for of what is none; what {@link readArchive} throws
 */
export async function archiveIn(
  source: ByteSource,
  { member, format }: InputOptions,
): Promise<Archive | undefined> {
  // What was taken from an archive before is not looked into again.
  if (source.takenFrom !== undefined) return undefined;
  const isNamed = isNamedAsOva(source.name);
  if (format !== undefined && member === undefined && !isNamed) return undefined;
  const isArchive = member === undefined && !isNamed ? await isOva(source) : await isTar(source);
  if (isArchive) return readArchive(source, (name) => formatBySuffix(bareOf(name)) !== undefined);
  if (member !== undefined) {
    throw new OptionError('bad-option', `${source.name} is no archive, and has no members.`, {
      hint: 'Leave --member out.',
    });
  }
  if (isNamed && format === undefined) {
    throw new UnknownFormatError(
      'unknown-format',
      `${source.name} is named like an OVA, but is no tar archive.`,
      {
        fileOffset: 0,
        hint: 'It is damaged or incomplete; or, if these are the bytes of a disk, say -f raw.',
      },
    );
  }
  return undefined;
}

/** The descriptor is written by whoever packs the disks: that it tells another size shows that one was exchanged, or cut. */
function sizeRemarks({ disks }: Archive, name: string, size: number): Note[] {
  const told = disks.find((disk) => disk.name === name)?.file?.size;
  if (told === undefined || told === size) return [];
  const message = `The descriptor says that ${name} has ${told} bytes; in the archive it has ${size}.`;
  return [{ code: 'ovf-size', message }];
}

async function unpacked(
  source: ByteSource,
  wrapper: Wrapper,
  { maxSpoolBytes = MAX_SPOOL_BYTES, maxExpansion = MAX_EXPANSION }: SourceOptions,
): Promise<ByteSource> {
  const spool = await spoolToFile({
    name: bareName(source.name, wrapper),
    maxDataBytes: mostData(source.size, maxExpansion),
    body: unwrapped(wrapper, chunksOf(source), source.name),
    maxBytes: maxSpoolBytes,
    revision: source.revision,
    wrapper: wrapper.name,
    remarks: [
      ...(source.remarks ?? []),
      {
        code: 'unpacked',
        message: `${source.name} is compressed as a whole (${wrapper.name}): it was unpacked into a temporary file.`,
      },
    ],
  });
  await source.requireUnchanged?.();
  return spool;
}

/**
 * @param purpose what is to be done with the file: `be changed in place`
 * @throws UnsupportedFeatureError where the image is not the file itself, but packed in it
 */
export function requireUnpacked({ name, wrapper, takenFrom }: ByteSource, purpose: string): void {
  if (wrapper === undefined && takenFrom === undefined) return;
  const packing = wrapper === undefined ? 'in an archive' : `compressed as a whole (${wrapper})`;
  throw new UnsupportedFeatureError('unsupported-feature', `${name} is ${packing}: it cannot ${purpose}.`, {
    hint: 'Unpack it, or convert it, and take the file that comes of it.',
  });
}

/** A name without the endings of packing. */
function bareOf(name: string): string {
  const wrapper = wrapperNamed(name);
  return wrapper === undefined ? name : bareName(name, wrapper);
}

/** The name that tells the format: `disk.vhd.gz` holds a VHD. */
function bareName(name: string, { suffixes }: Wrapper): string {
  const suffix = suffixes.find((ending) => name.toLowerCase().endsWith(ending));
  return suffix === undefined ? name : name.slice(0, -suffix.length);
}

async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < source.size; at += MiB) {
    const bytes = new Uint8Array(Math.min(MiB, source.size - at));
    await source.read(bytes, at);
    yield bytes;
  }
}

/** @throws ImageIoError, OptionError for a URL of another kind, BudgetError */
export async function openSource(input: SourceInput, options: SourceOptions): Promise<ByteSource> {
  if (input instanceof Uint8Array) return memorySource(input);
  if (input instanceof Blob) return blobSource(input);
  if (typeof input === 'object' && !(input instanceof URL)) {
    return 'size' in input ? input : spooledStream(input, options);
  }
  const url = urlOf(input);
  if (url === undefined) return openFileSource(String(input));
  switch (url.protocol) {
    case 'file:':
      return openFileSource(fileURLToPath(url));
    case 'http:':
    case 'https:':
      return openRemote(url, options);
    default:
      throw new OptionError('bad-option', `${url.protocol} URLs cannot be opened.`, {
        hint: 'Download the image first.',
      });
  }
}

async function spooledStream(
  stream: InputStream,
  { maxSpoolBytes = MAX_SPOOL_BYTES }: SourceOptions,
): Promise<ByteSource> {
  const { name = 'the stream' } = stream;
  return spoolToFile({
    name,
    body: unbroken(stream, name),
    maxBytes: maxSpoolBytes,
    remarks: [
      { code: 'spooled', message: `${name} was written into a temporary file, which is removed at the end.` },
    ],
  });
}

async function* unbroken(stream: InputStream, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    throw new ImageIoError('read-failed', `${name} broke off: ${(cause as Error).message}.`, { cause });
  }
}

/** Text is a path unless it begins as an address on the web does. */
const urlOf = (input: string | URL): URL | undefined => {
  if (input instanceof URL) return input;
  if (!/^https?:\/\//i.test(input)) return undefined;
  if (URL.canParse(input)) return new URL(input);
  // It may hold credentials or a signature all the same.
  const shown = input.replace(/\/\/.*@/s, '//').replace(/[?#].*$/s, '');
  throw new OptionError('bad-option', `${JSON.stringify(shown)} is no address.`, {
    hint: 'Check how it is written.',
  });
};

async function openRemote(url: URL, { http = {}, spool, maxSpoolBytes }: SourceOptions): Promise<ByteSource> {
  // Loaded here, as node:http takes longer to load than all of us.
  const { noRanges, openHttp } = await import('./io/http-source.ts');
  const opened = await openHttp(url, http);
  if ('source' in opened) return opened.source;
  const { name, size, body, close } = opened.stream;
  try {
    if (!spool) throw noRanges(name);
    return await spoolToFile({ name, body, size, maxBytes: maxSpoolBytes ?? MAX_SPOOL_BYTES });
  } finally {
    close();
  }
}
