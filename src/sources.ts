/** What an input is: a file, bytes, or something behind a network; opened as a source. */

import { fileURLToPath } from 'node:url';
import { MiB, TiB } from './binary/align.ts';
import { isNamedAsWrapped, unwrapped, WRAPPER_HEAD, type Wrapper, wrapperOf } from './codecs/wrapper.ts';
import { ImageIoError, OptionError } from './errors.ts';
import { blobSource } from './io/blob-source.ts';
import { openFileSource } from './io/file-source.ts';
import { spoolToFile } from './io/file-spool.ts';
import { type HttpOptions, noRanges, openHttp } from './io/http-source.ts';
import { memorySource } from './io/memory.ts';
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
}

const MAX_SPOOL_BYTES = TiB;

/** What is asked of an input beside the options of its source. */
export interface InputOptions extends SourceOptions {
  /** The format that the caller says it has. */
  readonly format?: string | undefined;
}

/**
 * Opens an input of the caller's, unpacked where it is compressed as a whole: gzip, zstd, xz or bzip2. A file that is said
 * to have a format is what it is, unless its name tells of the packing: the first bytes of a raw disk are its guest's to
 * choose.
 * @throws what {@link openSource} throws; CorruptImageError `truncated`, `bad-data`; BudgetError
 */
export async function openInput(input: SourceInput, options: InputOptions): Promise<ByteSource> {
  const source = await openSource(input, options);
  // What is said to be of a format is not even looked at.
  if (options.format !== undefined && !isNamedAsWrapped(source.name)) return source;
  try {
    const head = new Uint8Array(Math.min(WRAPPER_HEAD, source.size));
    await source.read(head, 0);
    const wrapper = wrapperOf(head);
    if (wrapper === undefined) return source;
    const unpacking = await unpacked(source, wrapper, options);
    await source.close();
    return unpacking;
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function unpacked(
  source: ByteSource,
  wrapper: Wrapper,
  { maxSpoolBytes = MAX_SPOOL_BYTES }: SourceOptions,
): Promise<ByteSource> {
  const spool = await spoolToFile({
    name: bareName(source.name, wrapper),
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
