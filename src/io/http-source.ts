/** Files behind HTTP and HTTPS as sources. */

import { ImageIoError } from '../errors.ts';
import {
  type HttpClient,
  type HttpHeaders,
  HttpTroubleError,
  httpClient,
  requireHeaders,
} from './http-client.ts';
import { directConnections } from './http-connection.ts';
import {
  findResource,
  type HttpRequestSettings,
  type HttpResource,
  noRanges,
  readRange,
} from './http-resource.ts';
import { readWindows } from './read-windows.ts';
import { type ByteSource, type HttpDescriptor, requireInside } from './source.ts';

/** How a server is asked for a file. */
export interface HttpOptions {
  /** Further header fields, such as `authorization`. None is sent to another server that this one redirects to. */
  readonly headers?: HttpHeaders;
  /** Connections at a time, from each thread; 4 by default. */
  readonly connections?: number;
  /** How often a request is tried again that came to nothing; 5 by default, in a row. */
  readonly retries?: number;
  /** Seconds without a byte after which a request has come to nothing; 30 by default. */
  readonly timeoutSeconds?: number;
}

/** A body of unknown length, for a server that does not give parts. */
export interface HttpStream {
  readonly name: string;
  /** Bytes, where the server has told. */
  readonly size: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  close(): void;
}

const settingsOf = ({ headers = {}, connections = 4, retries = 5, timeoutSeconds = 30 }: HttpOptions) => ({
  headers: requireHeaders(headers),
  connections,
  retries,
  timeout: timeoutSeconds * 1000,
});

/**
 * Opens a file behind `url`: a source when the server gives parts of it, else all of it as a stream.
 * @throws ImageIoError `not-found`, `read-failed`; OptionError `bad-option`
 */
export async function openHttp(
  url: URL,
  options: HttpOptions,
): Promise<{ readonly source: ByteSource } | { readonly stream: HttpStream }> {
  const settings = settingsOf(options);
  const client = httpClient(settings.connections, settings.timeout);
  try {
    const found = await findResource(client, url, settings);
    if (found.kind === 'ranges') {
      // The address at which it was found is asked from now on, by worker threads too.
      const allowed = found.isElsewhere ? { ...settings, headers: {} } : settings;
      return { source: sourceOf(client, found.resource, allowed, found.head) };
    }
    const { answer, name } = found;
    const length = answer.headers['content-length'];
    return {
      stream: {
        name,
        size: length === undefined ? undefined : Number(length),
        body: unbroken(name, answer.body),
        close() {
          answer.discard();
          client.close();
        },
      },
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** The bytes; that they break off is an error that says so. */
async function* unbroken(name: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    if (!(cause instanceof HttpTroubleError)) throw cause;
    throw new ImageIoError('read-failed', `The download of ${name} broke off: ${cause.message}.`, {
      cause,
      hint: 'A server that gives no parts cannot take it up again: begin anew.',
    });
  }
}

/** The same file on another thread, or later: nothing is asked before it is read. */
export function openHttpAgain(descriptor: HttpDescriptor, size: number): ByteSource {
  const { url, etag, lastModified, name, ...settings } = descriptor;
  const client = httpClient(settings.connections, settings.timeout);
  return sourceOf(client, { url: new URL(url), name, size, etag, lastModified }, settings, new Uint8Array(0));
}

function sourceOf(
  client: HttpClient,
  resource: HttpResource,
  settings: HttpRequestSettings & { readonly connections: number; readonly timeout: number },
  head: Uint8Array,
): ByteSource {
  const { name, size, url, etag, lastModified } = resource;
  const { headers, connections, retries, timeout } = settings;
  const closing = new AbortController();
  const direct = url.protocol === 'http:' ? directConnections(url, connections, timeout) : undefined;
  const readFar = (into: Uint8Array, offset: number): Promise<void> =>
    readRange(client, resource, { headers, retries, direct }, into, offset, closing.signal);
  const read = readWindows(size, head, readFar);
  const revision = etag ?? lastModified;
  const source: ByteSource = {
    name,
    size,
    ...(revision !== undefined && { revision }),
    descriptor: {
      kind: 'http',
      url: url.href,
      name,
      ...{ headers, connections, retries, timeout, etag, lastModified },
    },
    async read(into, fileOffset) {
      requireInside(source, fileOffset, into.length, 'A read');
      if (into.length > 0) await read(into, fileOffset);
    },
    async requireUnchanged() {
      // Every answer has been compared with the first; this one is for what was read long ago.
      if (size > 0) await readFar(new Uint8Array(1), 0);
    },
    async close() {
      closing.abort();
      direct?.close();
      client.close();
    },
  };
  return source;
}

export { noRanges };
