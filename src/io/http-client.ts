/** One HTTP request (RFC 9110) and its answer. Knows nothing of ranges of images, and does not try again. */

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { CancelledError, ImageIoError, OptionError } from '../errors.ts';

/** Header fields, by lower-case names. */
export type HttpHeaders = Readonly<Record<string, string>>;

export interface HttpAnswer {
  /** Where it came from, after redirects. */
  readonly url: URL;
  /** Was it another server than the one that was asked? What the caller says to that one was kept from it. */
  readonly isElsewhere: boolean;
  readonly status: number;
  readonly headers: HttpHeaders;
  /** Its bytes, once. Throws HttpTroubleError when they break off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends it, and its connection where there is more to come. */
  discard(): void;
}

export interface HttpClient {
  /**
   * GETs `url`, following redirects. Another server that they lead to gets no header field but `range`.
   * @throws HttpTroubleError for what may pass; ImageIoError `read-failed`; CancelledError
   */
  get(url: URL, headers: HttpHeaders, signal?: AbortSignal): Promise<HttpAnswer>;
  /** Ends all connections. */
  close(): void;
}

/** Something that may pass: worth trying again. */
export class HttpTroubleError extends Error {
  /** What the server says to wait, in milliseconds. */
  readonly retryAfter: number | undefined;
  constructor(message: string, retryAfter?: number, cause?: unknown) {
    super(message, { cause });
    this.retryAfter = retryAfter;
  }
}

const MAX_REDIRECTS = 5;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/**
 * @param connections how many are kept open to one server
 * @param timeout milliseconds without a byte after which a request is given up
 */
export function httpClient(connections: number, timeout: number): HttpClient {
  const settings = { keepAlive: true, maxSockets: connections, scheduling: 'lifo' } as const;
  const http = new HttpAgent(settings);
  const https = new HttpsAgent(settings);

  function once(url: URL, headers: HttpHeaders, signal: AbortSignal | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const request = isSecure ? httpsRequest : httpRequest;
      const sent = request(
        withoutCredentials(url),
        {
          agent: isSecure ? https : http,
          headers: { 'accept-encoding': 'identity', ...credentialsOf(url), ...headers },
          timeout,
          ...(signal && { signal }),
        },
        resolve,
      );
      sent.on('timeout', () => sent.destroy(new Error(`no byte came for ${timeout / 1000} s`)));
      sent.on('error', (cause: NodeJS.ErrnoException) => {
        if (signal?.aborted) reject(new CancelledError({ cause: signal.reason }));
        else
          reject(
            isFinal(cause) ? cannotReach(url, cause) : new HttpTroubleError(cause.message, undefined, cause),
          );
      });
      sent.end();
    });
  }

  return {
    async get(first, headers, signal) {
      let url = first;
      let sent = headers;
      let isElsewhere = false;
      for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
        const message = await once(url, sent, signal);
        const status = message.statusCode ?? 0;
        const location = message.headers.location;
        if (!REDIRECTS.includes(status) || location === undefined) {
          return answerOf(url, isElsewhere, message, signal);
        }
        message.resume(); // the connection is free again once its few bytes are read
        const next = redirected(url, location);
        // Any field may be secret, such as a token: it is for the server that it was given for.
        if (next.host !== url.host) {
          isElsewhere = true;
          sent = rangeOnly(sent);
        }
        url = next;
      }
      throw new ImageIoError('read-failed', `${urlName(first)} is redirected again and again.`, {
        hint: 'Give the address at which the file is.',
      });
    },
    close() {
      http.destroy();
      https.destroy();
    },
  };
}

function answerOf(
  url: URL,
  isElsewhere: boolean,
  message: IncomingMessage,
  signal: AbortSignal | undefined,
): HttpAnswer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) headers[name] = String(value);
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      yield* message as AsyncIterable<Uint8Array>;
    } catch (cause) {
      if (signal?.aborted) throw new CancelledError({ cause: signal.reason });
      throw new HttpTroubleError((cause as Error).message, undefined, cause);
    }
  }
  // Errors of a message that nobody reads would end the process.
  message.on('error', () => {});
  return {
    url,
    isElsewhere,
    status: message.statusCode ?? 0,
    headers,
    body: body(),
    discard: () => void message.destroy(),
  };
}

/** @throws ImageIoError `read-failed` for an address that is none, or a step from https down to http */
function redirected(from: URL, location: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const isHttp = next?.protocol === 'http:' || next?.protocol === 'https:';
  if (next === undefined || !isHttp) {
    throw new ImageIoError('read-failed', `${urlName(from)} is redirected to something that is no address.`, {
      hint: 'Give the address at which the file is.',
    });
  }
  if (from.protocol === 'https:' && next.protocol === 'http:') {
    throw new ImageIoError(
      'read-failed',
      `${urlName(from)} is redirected to ${urlName(next)}, unencrypted.`,
      {
        hint: 'If that is what you want, give that address.',
      },
    );
  }
  return next;
}

/** Errors that the next attempt meets again: no such host, no trust. */
const isFinal = ({ code = '' }: NodeJS.ErrnoException): boolean =>
  code === 'ENOTFOUND' || /CERT|TLS|SSL|SIGNATURE|SELF_SIGNED|ALTNAME|EPROTO|ERR_INVALID/.test(code);

const cannotReach = (url: URL, cause: NodeJS.ErrnoException): ImageIoError =>
  new ImageIoError('read-failed', `${urlName(url)} cannot be reached: ${cause.message}.`, {
    cause,
    hint: cause.code === 'ENOTFOUND' ? 'Check the name of the server.' : undefined,
  });

/** What to call an address in messages: neither credentials nor a query, which may hold a signature. */
export const urlName = ({ protocol, host, pathname }: URL): string => `${protocol}//${host}${pathname}`;

function withoutCredentials(url: URL): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}

/** @throws OptionError `bad-option` for credentials in an address that are not written as such */
export function credentialsOf(url: URL): HttpHeaders {
  const { username, password } = url;
  if (username === '' && password === '') return {};
  let text: string;
  try {
    text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    // Without the cause, and without the credentials: neither is for a log.
    throw new OptionError(
      'bad-option',
      `The credentials for ${urlName(url)} are not written as in an address.`,
      {
        hint: 'A percent sign in them is written %25.',
      },
    );
  }
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}

const rangeOnly = ({ range }: HttpHeaders): HttpHeaders => (range === undefined ? {} : { range });

/** @throws OptionError `bad-option` for header fields that cannot be sent */
export function requireHeaders(headers: HttpHeaders): HttpHeaders {
  for (const [name, value] of Object.entries(headers)) {
    const isSound = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
    const isOurs = ['range', 'host', 'accept-encoding', 'connection'].includes(name.toLowerCase());
    if (isSound && !isOurs) continue;
    throw new OptionError('bad-option', `The header field ${JSON.stringify(name)} cannot be sent.`, {
      hint: isOurs ? 'It is set by diskimg itself.' : 'Names are tokens; values have no line breaks.',
    });
  }
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
