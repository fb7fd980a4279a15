/**
 * A real S3-compatible server on a port of its own, ended with the tests: s3rver. It has no ListParts; that one operation
 * is added here, and reads the parts where s3rver itself has put them. It keeps objects under the MD5 digest of all their
 * bytes, where Amazon has that of the parts' digests.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** The bytes of an object. */
  object(key: string): Buffer;
  /** Ids of uploads that are neither completed nor removed. */
  uploads(): readonly string[];
  /** Requests so far, like `PUT partNumber`. */
  readonly requests: readonly string[];
  /** Answers with this status, or breaks the connection, in place of what was asked. */
  failWith(fault: (request: string) => number | 'break' | undefined): void;
  close(): Promise<void>;
}

interface Koa {
  callback(): (request: unknown, response: unknown) => void;
  configureBuckets(): Promise<unknown>;
  readonly logger: { readonly exceptions: { unhandle(): void }; close(): void };
}

const S3rver = createRequire(import.meta.url)('s3rver') as new (options: object) => Koa;

const BUCKET = 'images';

/** `S3RVER` and `S3RVER` are the credentials that it takes. */
export const CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

export interface S3ServerOptions {
  /**
   * s3rver and esdk-obs-nodejs do not sign the same text, in any of the client's ways to sign: without the check the
   * server takes what that client sends.
   */
  readonly checksSignatures: boolean;
}

export async function startS3Server({ checksSignatures }: S3ServerOptions): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'diskimg-s3-'));
  const app = new S3rver({
    directory,
    silent: true,
    configureBuckets: [{ name: BUCKET }],
    vhostBuckets: false,
    allowMismatchedSignatures: !checksSignatures,
  });
  await app.configureBuckets();
  const handle = app.callback();
  const requests: string[] = [];
  let faultOf: (request: string) => number | 'break' | undefined = () => undefined;
  const uploadFolder = join(directory, BUCKET, '._S3rver_uploads');

  const server: Server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const query = ['uploads', 'partNumber', 'uploadId'].find((name) => searchParams.has(name));
    const name = [request.method, query].filter(Boolean).join(' ');
    requests.push(name);
    const fault = faultOf(name);
    if (fault === 'break') {
      request.socket.destroy();
      return;
    }
    const uploadId = searchParams.get('uploadId');
    const isGone = uploadId !== null && !uploadsIn(uploadFolder).includes(uploadId);
    if (fault !== undefined || isGone) {
      request.resume().on('end', () => {
        response.writeHead(fault ?? 404, { 'content-type': 'application/xml', 'x-amz-request-id': 'R1' });
        response.end(request.method === 'HEAD' ? '' : errorXml(fault));
      });
    } else if (name === 'GET uploadId') {
      response.writeHead(200, { 'content-type': 'application/xml' });
      response.end(partsXml(join(uploadFolder, uploadId as string), searchParams));
    } else if (name === 'DELETE uploadId') {
      rmSync(join(uploadFolder, uploadId as string), { recursive: true });
      response.writeHead(204).end();
    } else {
      handle(request, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket: BUCKET,
    object: (key) => readFileSync(join(directory, BUCKET, `${key}._S3rver_object`)),
    uploads: () => uploadsIn(uploadFolder),
    requests,
    failWith(fault) {
      faultOf = fault;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      app.logger.exceptions.unhandle();
      app.logger.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A part that was still coming in when its upload was removed leaves a folder without a key. */
function uploadsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((uploadId) => existsSync(join(folder, uploadId, 'key')));
}

/** Two parts a page, so that there are pages. */
const PAGE = 2;

function partsXml(folder: string, query: URLSearchParams): string {
  const marker = Number(query.get('part-number-marker') ?? 0);
  const numbers = readdirSync(folder)
    .filter((name) => /^\d+$/.test(name) && existsSync(join(folder, `${name}.md5`)))
    .map(Number)
    .filter((number) => number > marker)
    .sort((a, b) => a - b);
  const page = numbers.slice(0, PAGE);
  const parts = page.map((number) => {
    const etag = readFileSync(join(folder, `${number}.md5`), 'utf8');
    const { size } = statSync(join(folder, String(number)));
    return `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Part>`;
  });
  const next = `<NextPartNumberMarker>${page.at(-1) ?? 0}</NextPartNumberMarker>`;
  return `<?xml version="1.0"?><ListPartsResult><IsTruncated>${numbers.length > PAGE}</IsTruncated>${next}${parts.join('')}</ListPartsResult>`;
}

function errorXml(fault: number | undefined): string {
  const code = fault === undefined ? 'NoSuchUpload' : fault === 403 ? 'AccessDenied' : 'InternalError';
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>As the test wants it.</Message></Error>`;
}
