/** A server of files that gives parts of them, and misbehaves as it is told. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Served {
  readonly bytes: Uint8Array;
  readonly etag?: string;
}

/** What comes in place of an honest answer; undefined: the honest one. */
export type Mischief = (
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
) => true | undefined;

export interface FileServer {
  readonly url: URL;
  /** The file, which a test may change. */
  file: Served;
  /** The ranges that were asked for, and how many connections there were. */
  readonly ranges: string[];
  connections(): number;
  /** Connections that are open at the moment. */
  openConnections(): Promise<number>;
}

/** Serves one file until the test is over. */
export async function serveFile(file: Served, mischief: Mischief = () => undefined): Promise<FileServer> {
  const ranges: string[] = [];
  let count = 0;
  let connections = 0;
  const server = createServer((request, response) => {
    const range = request.headers.range;
    ranges.push(range ?? 'all');
    count += 1;
    if (mischief(request, response, count)) return;
    honest(served.file, range, response);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const served: FileServer = {
    url: new URL(`http://127.0.0.1:${port}/disk.img`),
    file,
    ranges,
    connections: () => connections,
    openConnections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
  };
  return served;
}

export function honest(
  { bytes, etag = '"one"' }: Served,
  range: string | undefined,
  response: ServerResponse,
): void {
  const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
  if (match === null) {
    response.writeHead(200, { etag, 'content-length': bytes.length }).end(bytes);
    return;
  }
  const start = Number(match[1]);
  const end = Math.min(Number(match[2]) + 1, bytes.length);
  if (start >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  response.writeHead(206, {
    etag,
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
  });
  response.end(bytes.subarray(start, end));
}
