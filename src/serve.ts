/** Serves a converted image over HTTP: its bytes are made while they leave, so that any downloader becomes a converter. */

import { createHash } from 'node:crypto';
import manifest from '../package.json' with { type: 'json' };
import { OptionError } from './errors.ts';
import { formatNamed } from './formats/index.ts';
import type { Note } from './image/reader.ts';
import { urlHost } from './io/http-host.ts';
import type { ServedRequest } from './io/http-server.ts';
import type { ImageInput } from './open.ts';
import { type PrepareOptions, prepare } from './prepare.ts';
import type { PreparedOutput, PreparedProgress } from './prepared/output.ts';
import { servedContent } from './prepared/served.ts';

export type ServeOptions = PrepareOptions & {
  /**
   * The address, or the name of one, to listen on; 127.0.0.1 by default. Whoever reaches it can read the image.
   * Requests that name another host are refused.
   */
  readonly host?: string;
  /** By default, and with 0, one that is free. */
  readonly port?: number;
  /** The file's name, in the URL and for the client; by default that of the input, with the ending of the format. */
  readonly name?: string;
  /**
   * Of a sequential output: make it in a temporary file before `serveImage` is done, and serve that, with its size and
   * ranges. One whose head is known last (compressed qcow2) always is. Others need none.
   */
  readonly spool?: boolean;
  /** How the temporary file comes along. */
  readonly onProgress?: (progress: PreparedProgress) => void;
  /** Called when a request has been dealt with. */
  readonly onRequest?: (request: ServedRequest) => void;
  /** Milliseconds that a client may take nothing before its connection is broken off; two minutes by default. */
  readonly stallTime?: number;
};

export interface ImageServer extends AsyncDisposable {
  /** Where the image is. */
  readonly url: string;
  /** Bytes of the file; undefined when only its end tells: then there are no ranges. */
  readonly size: number | undefined;
  /** Bytes of the disk. */
  readonly virtualSize: number;
  /** What a user should know of the source, or of what was done. */
  readonly notes: readonly Note[];
  /** Done when every byte of the file has been handed over, by one answer or by several. */
  readonly downloaded: Promise<void>;
  /** Breaks off what is under way, and closes what `serveImage` has opened. Aborting `signal` does the same. */
  close(): Promise<void>;
}

/** Answers with bodies at a time. Each has at most 5 MiB in memory. */
const MAX_BODIES = 32;
/** The same where the file is made for each of them alone: every one has threads. */
const MAX_PASSES = 4;
const STALL_TIME = 120_000;

/**
 * Serves `input`, or several one behind the other, in another format until it is closed. The same source and options have
 * the same bytes and the same entity tag in another process, so that a download can be taken up there: UUID and time
 * come from the source unless `reproducible` says otherwise.
 * @throws what {@link prepare} throws, and OptionError `bad-option` for an address that cannot be listened on
 */
export async function serveImage(
  input: ImageInput | readonly ImageInput[],
  options: ServeOptions,
): Promise<ImageServer> {
  const { host = '127.0.0.1', port = 0, stallTime = STALL_TIME, signal, onRequest = () => {} } = options;
  if (options.name !== undefined && (options.name === '' || /[/\\\0]/.test(options.name))) {
    throw new OptionError('bad-option', `${JSON.stringify(options.name)} is not the name of a file.`);
  }
  const isNew = options.plan === undefined && options.reproducible === undefined;
  const output = await prepare(
    input,
    isNew ? { ...options, reproducible: { timestamp: 0, from: 'source' } } : options,
  );
  const content = await servedContent(output, options).catch(async (error) => {
    await output.close();
    throw error;
  });
  const offered = {
    size: content.size,
    etag: content.digest === undefined ? tagOf(output) : `"${content.digest}"`,
    // Not the source's time: what other options make of it has that, too.
    lastModified: Date.now(),
    name: options.name ?? nameOf(Array.isArray(input) ? input[0] : input, output),
  };
  // Loaded here, as node:http takes long to load.
  const { startFileServer } = await import('./io/http-server.ts');
  const server = await startFileServer({
    ...{ host, port, offered, stallTime, onRequest },
    maxBodies: content.size === undefined ? MAX_PASSES : MAX_BODIES,
    bytes: content.bytes,
    requireUnchanged: content.requireUnchanged,
  }).catch(async (error) => {
    await content.close();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= server.close().finally(content.close);
    return closing;
  };
  signal?.addEventListener('abort', close, { once: true });
  return {
    url: `http://${urlHost(host)}:${server.port}/${encodeURIComponent(offered.name)}`,
    size: content.size,
    virtualSize: output.virtualSize,
    notes: [...output.notes, ...(content.digest === undefined ? [] : [spooledNote(content.size ?? 0)])],
    downloaded: server.downloaded,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const spooledNote = (size: number): Note => ({
  code: 'spooled',
  message: `The output was made in a temporary file of ${size} bytes first.`,
});

/** What the bytes depend on. Those of a compressor also on its version: such a tag is weak. */
function tagOf({ kind, plan }: PreparedOutput): string {
  const digest = createHash('sha256')
    .update(`${manifest.version} ${JSON.stringify(plan)}`)
    .digest('hex');
  return `${kind === 'sequential' ? 'W/' : ''}"${digest.slice(0, 32)}"`;
}

/** The input's name with the ending of the output's format. */
function nameOf(input: ImageInput | undefined, { format }: PreparedOutput): string {
  const text = typeof input === 'string' || input instanceof URL ? String(input) : '';
  const path = /^\w+:\/\//.test(text) ? new URL(text).pathname : text;
  const stem = (path.split(/[/\\]/).at(-1) ?? '').replace(/\.[^.]*$/, '');
  return `${stem === '' || stem === '-' ? 'disk' : stem}${formatNamed(format).suffixes[0]}`;
}
