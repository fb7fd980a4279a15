/** A server of one file whose bytes are made while they leave. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CancelledError, ImageError, ImageIoError, OptionError } from '../errors.ts';
import { answerTo, type BodyPiece, type FileAnswer, type OfferedFile, refusal } from './http-answer.ts';
import { isOwnHost } from './http-host.ts';
import type { ByteRange } from './source.ts';

/** A request, and what became of it. */
export interface ServedRequest {
  /** The client's address. */
  readonly client: string;
  readonly method: string;
  /** As it was asked for: whatever a client likes to send. */
  readonly path: string;
  readonly range: string | undefined;
  readonly status: number;
  /** Bytes of the file that were handed to the operating system. */
  readonly sentBytes: number;
  /** Has all of the answer been handed over? Otherwise the connection was broken off, by either end. */
  readonly isComplete: boolean;
  /** Why it failed on this side. */
  readonly error?: unknown;
}

export interface FileServer {
  readonly port: number;
  /** Done when every byte of the file has been handed over, by one answer or by several. */
  readonly downloaded: Promise<void>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
}

export interface FileServing {
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly offered: OfferedFile;
  /** Answers with a body at a time; one more is asked to come back. */
  readonly maxBodies: number;
  /** Milliseconds that a client may take nothing before its connection is broken off. */
  readonly stallTime: number;
  bytes(range: ByteRange | 'all', signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** @throws ImageIoError `source-changed` when the bytes are no longer those that are offered */
  requireUnchanged(): Promise<void>;
  onRequest(request: ServedRequest): void;
}

/** Milliseconds in which a request has to arrive. */
const REQUEST_TIME = 15_000;
const MAX_CONNECTIONS = 256;
/** What browsers need to be told. */
const FOR_BROWSERS = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
};

/** @throws OptionError `bad-option` when it cannot listen there */
export async function startFileServer(serving: FileServing): Promise<FileServer> {
  const { host, port, offered, maxBodies, stallTime, onRequest } = serving;
  const downloaded = Promise.withResolvers<void>();
  const coverage = coverageOf(offered.size);
  const closing = new AbortController();
  const underWay = new Set<Promise<void>>();
  let bodies = 0;

  const server = createServer(
    { requestTimeout: REQUEST_TIME, headersTimeout: REQUEST_TIME, connectionsCheckingInterval: 5000 },
    (request, response) => {
      const dealing = dealWith(request, response).finally(() => underWay.delete(dealing));
      underWay.add(dealing);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;

  async function dealWith(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const client = request.socket.remoteAddress ?? '';
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const signal = AbortSignal.any([closing.signal, gone.signal]);
    let sentBytes = 0;
    let error: unknown;
    let holdsPlace = false;
    let chunks: AsyncGenerator<Chunk> | undefined;
    try {
      let answer = refusalOf(request, host, offered) ?? (await currentAnswer(request));
      if (isOfFile(answer)) {
        if (bodies < maxBodies) {
          bodies += 1;
          holdsPlace = true;
        } else {
          answer = refusal(503, 'Too many downloads at once.', { 'retry-after': '1' });
        }
      }
      chunks = bodyOf(answer.body, signal);
      // Made before the head leaves: what cannot be read at all gets an honest status.
      let next = await chunks.next();
      response.writeHead(answer.status, { ...FOR_BROWSERS, ...answer.headers });
      let sending = Promise.resolve();
      while (!next.done) {
        const { bytes, start } = next.value;
        const sent = send(response, bytes, signal).then(() => {
          if (start === undefined) return;
          sentBytes += bytes.length;
          coverage.add(start, start + bytes.length);
        });
        sent.catch(() => {}); // seen one turn later
        await sending;
        sending = sent;
        next = await chunks.next();
      }
      await sending;
      await end(response, signal);
      if (answer.body[0] === 'all' || coverage.isComplete()) downloaded.resolve();
    } catch (cause) {
      if (!signal.aborted && !(cause instanceof CancelledError)) error = cause;
      await breakOff(response, cause, signal);
    } finally {
      await chunks?.return(undefined); // ends what makes them
      if (holdsPlace) bodies -= 1;
    }
    onRequest({
      client,
      method,
      path,
      range: headers.range,
      status: response.statusCode,
      sentBytes,
      isComplete: response.writableFinished,
      ...(error !== undefined && { error }),
    });
  }

  async function currentAnswer(request: IncomingMessage): Promise<FileAnswer> {
    await serving.requireUnchanged();
    return answerTo({ method: request.method, headers: request.headers }, offered);
  }

  async function* bodyOf(body: readonly BodyPiece[], signal: AbortSignal): AsyncGenerator<Chunk> {
    for (const piece of body) {
      if (typeof piece === 'string' && piece !== 'all') {
        yield { bytes: Buffer.from(piece), start: undefined };
        continue;
      }
      let start = piece === 'all' ? 0 : piece.start;
      for await (const bytes of serving.bytes(piece, signal)) {
        yield { bytes, start };
        start += bytes.length;
      }
    }
  }

  const send = (response: ServerResponse, bytes: Uint8Array, signal: AbortSignal): Promise<void> =>
    handedOver(response, signal, stallTime, (done) => response.write(bytes, done));
  const end = (response: ServerResponse, signal: AbortSignal): Promise<void> =>
    handedOver(response, signal, stallTime, (done) => response.end(done));

  async function breakOff(response: ServerResponse, cause: unknown, signal: AbortSignal): Promise<void> {
    if (response.headersSent || signal.aborted) {
      response.destroy();
      return;
    }
    const code = cause instanceof ImageError ? cause.code : 'internal error';
    const text = `The image cannot be served: ${code}.\n`;
    response.writeHead(500, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) });
    response.write(text);
    await end(response, signal).catch(() => response.destroy());
  }

  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    downloaded: downloaded.promise,
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all(underWay);
      await closed;
    },
  };
}

interface Chunk {
  readonly bytes: Uint8Array;
  /** Place in the file; undefined for what frames ranges. */
  readonly start: number | undefined;
}

/** The answer to a request that does not mean the file; undefined for one that does. */
function refusalOf(
  { method, url = '', headers }: IncomingMessage,
  host: string,
  { name }: OfferedFile,
): FileAnswer | undefined {
  const isHead = method === 'HEAD';
  const [path = ''] = url.split('?', 1);
  if (!isOwnHost(headers.host, host)) return refusal(421, 'This server has another name.', {}, isHead);
  if (path === '/') {
    const location = `/${encodeURIComponent(name)}`;
    return refusal(302, `The image is at ${location}.`, { location }, isHead);
  }
  if (decoded(path) !== `/${name}`)
    return refusal(404, 'There is one file here, and / leads to it.', {}, isHead);
  return undefined;
}

/** Does it take some work? */
const isOfFile = ({ body }: FileAnswer): boolean =>
  body.some((piece) => piece === 'all' || typeof piece === 'object');

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // a URIError: no file has such a name
  }
}

/** Done when the operating system has it. @throws CancelledError; ImageIoError `write-failed` when the client takes nothing for too long */
function handedOver(
  response: ServerResponse,
  signal: AbortSignal,
  stallTime: number,
  write: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const stop = (): void => settle(new CancelledError({ cause: signal.reason }));
    const timer = setTimeout(() => {
      settle(new ImageIoError('write-failed', `The client took nothing for ${stallTime / 1000} s.`));
    }, stallTime);
    function settle(error?: Error | null): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (error) reject(error);
      else resolve();
    }
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted || response.destroyed) stop();
    else write((cause) => settle(cause && new CancelledError({ cause }))); // the client has gone
  });
}

/** @throws OptionError `bad-option` */
function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const at = `${host}, port ${port}`;
      reject(
        new OptionError('bad-option', `Cannot listen on ${at}: ${cause.message}.`, {
          cause,
          hint: 'Choose another port (0: any that is free), or an address of this machine.',
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Ranges that are kept apart at most: a client that takes single sectors does not make the list long. */
const MAX_APART = 10_000;

/** Which bytes of a file have been handed over; never complete without a size. */
export function coverageOf(size: number | undefined) {
  /** Sorted, with gaps between them. */
  let ranges: ByteRange[] = [];
  return {
    add(start: number, end: number): void {
      const apart = ranges.filter((range) => range.end < start || range.start > end);
      const joined = ranges.filter((range) => range.end >= start && range.start <= end);
      const all = {
        start: Math.min(start, ...joined.map((range) => range.start)),
        end: Math.max(end, ...joined.map((range) => range.end)),
      };
      // One that is forgotten has to be sent again.
      ranges = [...apart.slice(-MAX_APART), all];
    },
    isComplete: (): boolean => size === 0 || ranges.some(({ start, end }) => start === 0 && end === size),
  };
}
