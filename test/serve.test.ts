/** Serving: whatever a client asks for, in whatever order, is the file that `convert` writes. */

import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { MiB } from '../src/binary/align.ts';
import {
  type ImageServer,
  prepare,
  type ServedRequest,
  type ServeOptions,
  serveImage,
} from '../src/index.ts';
import { coverageOf, startFileServer } from '../src/io/http-server.ts';
import { fillRandom, seededGuest, seededRandom, sha256 } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const raw = { format: 'raw' } as const;
const disk = seededGuest(5 * MiB + 512, 5);

/** 24 MiB that no codec makes much smaller, and no system's buffer holds. */
function large(seed: number): Buffer {
  const block = new Uint8Array(MiB);
  fillRandom(block, seededRandom(seed));
  return Buffer.concat(Array.from({ length: 24 }, (_, index) => Buffer.from(block).fill(index, 0, 4096)));
}

beforeAll(() => {
  writeFileSync(temp('disk.raw'), disk);
  writeFileSync(temp('large.raw'), large(6));
});

/** In place: the file is never shorter. */
const overwrite = (path: string, bytes: Uint8Array): void => writeFileSync(path, bytes, { flag: 'r+' });

interface Serving {
  readonly server: ImageServer;
  readonly requests: ServedRequest[];
  /** The next request that is dealt with. */
  dealt(): Promise<ServedRequest>;
}

async function serving(options: ServeOptions, path = temp('disk.raw')): Promise<Serving> {
  const requests: ServedRequest[] = [];
  const waiting: ((request: ServedRequest) => void)[] = [];
  const server = await serveImage(path, {
    input: raw,
    threads: 1,
    ...options,
    onRequest: (served) => {
      requests.push(served);
      waiting.shift()?.(served);
    },
  } as ServeOptions);
  onTestFinished(() => server.close());
  return { server, requests, dealt: () => new Promise((resolve) => waiting.push(resolve)) };
}

/** The bytes that `prepare` makes of the plan that a server has by default. */
async function expected(options: Record<string, unknown>): Promise<Buffer> {
  await using output = await prepare(temp('disk.raw'), {
    input: raw,
    reproducible: { timestamp: 0, from: 'source' },
    ...options,
  } as never);
  return Buffer.concat(await Array.fromAsync(output.stream()));
}

const bytesOf = async (answer: Response): Promise<Buffer> => Buffer.from(await answer.arrayBuffer());
const range = (start: number, end: number) => ({ headers: { range: `bytes=${start}-${end - 1}` } });

/** What fetch() does not let one ask: other Host fields, targets and methods. */
async function ask(url: string, path: string, headers: Record<string, string>, method = 'GET') {
  const { hostname, port } = new URL(url);
  const asking = request({ hostname, port, path, method, headers, agent: false }).end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  answer.resume();
  await once(answer, 'end');
  return answer;
}

describe('any range', () => {
  it.each([
    { format: 'raw' },
    { format: 'vhd' },
    { format: 'vhd', options: { subformat: 'fixed' } },
    { format: 'qcow2' },
    { format: 'vdi' },
    { format: 'zvhd2', spool: true },
    { format: 'qcow2', options: { compress: true } },
  ])('of %j: pieces in any order, at once, are the whole', async (options) => {
    const { server } = await serving(options as ServeOptions);
    const { spool: _, ...made } = options as Record<string, unknown>;
    const file = await expected(made);
    const whole = await fetch(server.url);
    expect(sha256(await bytesOf(whole))).toBe(sha256(file));
    expect(whole.headers.get('content-length')).toBe(String(file.length));
    expect(server.size).toBe(file.length);
    const step = 700_001;
    const starts = Array.from({ length: Math.ceil(file.length / step) }, (_, index) => index * step);
    const pieces = await Promise.all(
      starts.reverse().map(async (start) => {
        const answer = await fetch(server.url, range(start, start + step));
        expect(answer.status).toBe(206);
        return bytesOf(answer);
      }),
    );
    expect(sha256(Buffer.concat(pieces.reverse()))).toBe(sha256(file));
  });

  it('several in one answer', async () => {
    const { server } = await serving({ format: 'raw' });
    const answer = await fetch(server.url, { headers: { range: 'bytes=5000000-5000099,0-9' } });
    const body = await bytesOf(answer);
    const boundary = answer.headers.get('content-type')?.split('boundary=')[1];
    const parts = body.toString('latin1').split(`--${boundary}`);
    expect(parts).toHaveLength(4);
    expect(parts[1]?.split('\r\n\r\n')[1]).toBe(`${disk.toString('latin1', 5_000_000, 5_000_100)}\r\n`);
    expect(parts[2]?.split('\r\n\r\n')[1]).toBe(`${disk.toString('latin1', 0, 10)}\r\n`);
    expect(body.length).toBe(Number(answer.headers.get('content-length')));
  });

  it('has the same tag in another process, and another one for other options or another source', async () => {
    const tag = async (options: ServeOptions, path?: string) => {
      const { server } = await serving(options, path);
      const { headers } = await fetch(server.url, { method: 'HEAD' });
      return headers.get('etag');
    };
    const first = await tag({ format: 'vhd' });
    expect(first).toMatch(/^"[0-9a-f]{32}"$/);
    expect(await tag({ format: 'vhd' })).toBe(first);
    expect(await tag({ format: 'vhd', options: { subformat: 'fixed' } })).not.toBe(first);
    expect(await tag({ format: 'vhd' }, temp('large.raw'))).not.toBe(first);
    expect(await tag({ format: 'zvhd2' })).toMatch(/^W\//);
    expect(await tag({ format: 'zvhd2', spool: true })).toMatch(/^"[0-9a-f]{64}"$/);
  });
});

describe('an output that is made in one go', () => {
  it('is sent in chunks, to several clients', async () => {
    const { server, requests } = await serving({ format: 'zvhd2' });
    const file = await expected({ format: 'zvhd2' });
    const answers = await Promise.all([fetch(server.url), fetch(server.url, range(10, 20))]);
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('accept-ranges')).toBe('none');
      expect(answer.headers.get('content-length')).toBe(null);
      expect(sha256(await bytesOf(answer))).toBe(sha256(file));
    }
    await server.downloaded;
    expect(requests.every(({ isComplete }) => isComplete)).toBe(true);
  });

  it('leaves no temporary file behind', async () => {
    mkdirSync(temp('spools'));
    vi.stubEnv('TMPDIR', temp('spools'));
    onTestFinished(() => void vi.unstubAllEnvs());
    const { server } = await serving({ format: 'zvhd2', spool: true });
    await fetch(server.url).then(bytesOf);
    await server.close();
    expect(readdirSync(temp('spools'))).toEqual([]);
  });

  it('tells how the temporary file comes along, and stops when it is told', async () => {
    const controller = new AbortController();
    const onProgress = vi.fn(() => controller.abort());
    const failing = serving({ format: 'zvhd2', spool: true, onProgress, signal: controller.signal });
    await expect(failing).rejects.toMatchObject({ code: 'cancelled' });
    expect(onProgress).toHaveBeenCalled();
  });
});

describe('what is not served', () => {
  it.each([
    ['/', {}, 'GET', 302],
    ['/disk.vhd?x=1', {}, 'GET', 200],
    ['/%64isk.vhd', {}, 'HEAD', 200],
    ['/other', {}, 'GET', 404],
    ['/%', {}, 'GET', 404],
    ['//evil.example/disk.vhd', {}, 'GET', 404],
    ['http://127.0.0.1/disk.vhd', {}, 'GET', 404],
    ['/disk.vhd', {}, 'POST', 405],
    ['/disk.vhd', {}, 'DELETE', 405],
    ['/disk.vhd', { host: 'evil.example' }, 'GET', 421],
    ['/disk.vhd', { host: 'localhost:1' }, 'HEAD', 200],
    ['/disk.vhd', { range: 'bytes=99999999999-' }, 'GET', 416],
  ])('%s with %j by %s: %d', async (path, headers, method, status) => {
    const { server } = await serving({ format: 'vhd' });
    const answer = await ask(server.url, path, headers, method);
    expect(answer.statusCode).toBe(status);
    if (status === 302) expect(answer.headers.location).toBe('/disk.vhd');
  });

  it('what the client has', async () => {
    const { server } = await serving({ format: 'vhd' });
    const etag = (await fetch(server.url, { method: 'HEAD' })).headers.get('etag') ?? '';
    expect((await fetch(server.url, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('a name or a port that cannot be', async () => {
    const { server } = await serving({ format: 'vhd' });
    const port = Number(new URL(server.url).port);
    const bad = { code: 'bad-option' };
    await expect(serving({ format: 'vhd', port })).rejects.toMatchObject(bad);
    await expect(serving({ format: 'vhd', host: '192.0.2.1' })).rejects.toMatchObject(bad);
    await expect(serving({ format: 'vhd', name: '../disk' })).rejects.toMatchObject(bad);
  });

  it('too many at once', async () => {
    const free = Promise.withResolvers<void>();
    async function* bytes() {
      yield new Uint8Array(5);
      await free.promise;
      yield new Uint8Array(5);
    }
    const server = await startFileServer({
      ...{ host: '127.0.0.1', port: 0, maxBodies: 2, stallTime: 60_000, bytes },
      offered: { size: 10, etag: '"x"', lastModified: 0, name: 'x' },
      requireUnchanged: async () => {},
      onRequest: () => {},
    });
    onTestFinished(() => server.close());
    const url = `http://127.0.0.1:${server.port}/x`;
    const held = [await fetch(url), await fetch(url)];
    const answer = await fetch(url);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
    free.resolve();
    for (const { status, body } of held) {
      expect([status, Buffer.concat(await Array.fromAsync(body ?? [])).length]).toEqual([200, 10]);
    }
    expect((await bytesOf(await fetch(url))).length).toBe(10);
  });
});

describe('what goes wrong', () => {
  it('a client that goes away is noted, and others are served', async () => {
    const { server, dealt } = await serving({ format: 'raw' }, temp('large.raw'));
    const gone = dealt();
    const controller = new AbortController();
    const answer = await fetch(server.url, { signal: controller.signal });
    await answer.body?.getReader().read();
    controller.abort();
    const served = await gone;
    expect(served).toMatchObject({ status: 200, isComplete: false });
    expect(served).not.toHaveProperty('error');
    expect(served.sentBytes).toBeLessThan(24 * MiB);
    expect((await bytesOf(await fetch(server.url))).length).toBe(24 * MiB);
  });

  it('what makes bytes is ended when its client goes away', async () => {
    const ended = Promise.withResolvers<void>();
    async function* bytes() {
      try {
        for (;;) yield new Uint8Array(MiB);
      } finally {
        ended.resolve();
      }
    }
    const server = await startFileServer({
      ...{ host: '127.0.0.1', port: 0, maxBodies: 2, stallTime: 60_000, bytes },
      offered: { size: undefined, etag: '"x"', lastModified: 0, name: 'x' },
      requireUnchanged: async () => {},
      onRequest: () => {},
    });
    onTestFinished(() => server.close());
    const controller = new AbortController();
    await fetch(`http://127.0.0.1:${server.port}/x`, { signal: controller.signal });
    controller.abort();
    await ended.promise;
  });

  it('a client that takes nothing is broken off', async () => {
    const { server, dealt } = await serving({ format: 'raw', stallTime: 100 }, temp('large.raw'));
    const { hostname, port } = new URL(server.url);
    const served = dealt();
    const socket = connect(Number(port), hostname).pause();
    onTestFinished(() => void socket.destroy());
    socket.write('GET /large.raw HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await served).toMatchObject({ isComplete: false, error: { code: 'write-failed' } });
  });

  it.each([{ format: 'vhd' }, { format: 'zvhd2' }])('a source that changed: an error for %j', async (of) => {
    writeFileSync(temp('changing.raw'), disk);
    const { server, dealt } = await serving(of as ServeOptions, temp('changing.raw'));
    overwrite(temp('changing.raw'), seededGuest(5 * MiB + 512, 99));
    const served = dealt();
    const answer = await fetch(server.url);
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining('source-changed')]);
    expect(await served).toMatchObject({ error: { code: 'source-changed' } });
  });

  it.each(['raw', 'zvhd2'] as const)(
    'one that changes meanwhile breaks the answer off: %s',
    async (format) => {
      const before = large(7);
      writeFileSync(temp('growing.raw'), before);
      const { server, dealt } = await serving({ format }, temp('growing.raw'));
      const served = dealt();
      const answer = await fetch(server.url);
      const reader = answer.body?.getReader();
      const got: Uint8Array[] = [];
      const read = async (): Promise<void> => {
        for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
          if (got.length === 0) overwrite(temp('growing.raw'), Buffer.alloc(24 * MiB, 0xee));
          got.push(next.value);
        }
      };
      await expect(read()).rejects.toThrow();
      expect(await served).toMatchObject({ isComplete: false, error: { code: 'source-changed' } });
      const bytes = Buffer.concat(got);
      if (format === 'raw') expect(bytes.equals(before.subarray(0, bytes.length))).toBe(true);
    },
  );

  it('closing breaks off what is under way', async () => {
    const { server, dealt } = await serving({ format: 'raw' }, temp('large.raw'));
    const served = dealt();
    const answer = await fetch(server.url);
    await server.close();
    expect(await served).toMatchObject({ isComplete: false });
    await expect(bytesOf(answer)).rejects.toThrow();
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('aborting the signal closes it', async () => {
    const controller = new AbortController();
    const { server } = await serving({ format: 'raw', signal: controller.signal });
    controller.abort();
    await server.close();
    await expect(fetch(server.url)).rejects.toThrow();
  });
});

it('is downloaded when all of it has left, in several answers', async () => {
  const { server } = await serving({ format: 'raw' });
  let isDone = false;
  void server.downloaded.then(() => {
    isDone = true;
  });
  for (const [start, end] of [
    [3 * MiB, disk.length],
    [0, 2 * MiB],
    [0, 10],
  ] as const)
    await bytesOf(await fetch(server.url, range(start, end)));
  expect(isDone).toBe(false);
  await bytesOf(await fetch(server.url, range(1 * MiB, 4 * MiB)));
  await server.downloaded;
});

it('coverage joins ranges in any order', () => {
  const coverage = coverageOf(100);
  for (const start of [40, 0, 80, 20, 60]) {
    expect(coverage.isComplete()).toBe(false);
    coverage.add(start, start + 20);
  }
  expect(coverage.isComplete()).toBe(true);
  expect(coverageOf(undefined).isComplete()).toBe(false);
});
