/** Files behind HTTP: read as they are, whatever the server does; or an error that says what it did. */

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert, type FormatName, formats, ImageError, openImage } from '../../src/index.ts';
import { type HttpOptions, openHttp } from '../../src/io/http-source.ts';
import type { ByteSource } from '../../src/io/source.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { difference } from '../support/guest-disks.ts';
import { honest, type Mischief, serveFile } from '../support/http-server.ts';
import { seededGuest, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const bytes = new Uint8Array(seededGuest(3 * MiB + 17, 5));

async function open(url: URL, options: HttpOptions = {}): Promise<ByteSource> {
  const opened = await openHttp(url, options);
  if ('source' in opened) return opened.source;
  opened.stream.close();
  throw new Error('the server gives no parts');
}

async function readAll(source: ByteSource, step: number): Promise<Uint8Array> {
  const all = new Uint8Array(source.size);
  for (let at = 0; at < all.length; at += step) {
    await source.read(all.subarray(at, Math.min(at + step, all.length)), at);
  }
  await source.close();
  return all;
}

describe('a server that gives parts', () => {
  it.each([
    ['"one"', '"one"'],
    ['W/"one"', undefined],
  ])('is asked for the file that was opened, by %s', async (etag, expected) => {
    const conditions: (string | undefined)[] = [];
    const server = await serveFile({ bytes, etag }, (request) => {
      conditions.push(request.headers['if-match']);
      return undefined;
    });
    await readAll(await open(server.url), MiB);
    expect(conditions[0]).toBeUndefined();
    expect(new Set(conditions.slice(1))).toEqual(new Set([expected]));
  });

  it('that has another file now sends none of it', async () => {
    const server = await serveFile({ bytes }, (_, response, count) => {
      if (count === 1) return undefined;
      response.writeHead(412).end();
      return true;
    });
    const source = await open(server.url);
    await expect(source.read(new Uint8Array(1000), MiB)).rejects.toMatchObject({ code: 'source-changed' });
    await source.close();
  });

  it.each([777, 64 * KiB, 128 * KiB + 1, MiB])('is read in steps of %d bytes', async (step) => {
    const server = await serveFile({ bytes });
    const all = await readAll(await open(server.url), step);
    expect(difference(all, bytes)).toBeUndefined();
    // Small neighbours come together, and more of them the longer they follow each other.
    expect(server.ranges.length).toBeLessThan(12);
  });

  it('is read in any order, many reads at a time, over few connections', async () => {
    const server = await serveFile({ bytes });
    const source = await open(server.url, { connections: 3 });
    const random = seededRandom(9);
    await Promise.all(
      Array.from({ length: 60 }, async () => {
        const from = random() % bytes.length;
        const into = new Uint8Array(Math.min(random() % (700 * KiB), bytes.length - from));
        await source.read(into, from);
        expect(difference(into, bytes.subarray(from, from + into.length))).toBeUndefined();
      }),
    );
    await source.close();
    expect(server.connections()).toBeLessThanOrEqual(4);
  });

  it('an empty file is one', async () => {
    const server = await serveFile({ bytes: new Uint8Array(0) });
    expect((await open(server.url)).size).toBe(0);
  });

  it('does not read past the end', async () => {
    const server = await serveFile({ bytes });
    const source = await open(server.url);
    await expect(source.read(new Uint8Array(2), bytes.length - 1)).rejects.toMatchObject({
      code: 'truncated',
    });
    await source.close();
  });
});

/** Once, at the n-th request. */
const once =
  (n: number, what: (response: ServerResponse, range: string) => void): Mischief =>
  (request, response, count) => {
    if (count !== n) return undefined;
    what(response, request.headers.range ?? '');
    return true;
  };

/** At the n-th request, and from then on. */
const from =
  (n: number, what: (response: ServerResponse) => void): Mischief =>
  (_, response, count) => {
    if (count < n) return undefined;
    what(response);
    return true;
  };

describe('what passes is tried again', () => {
  const passing: Record<string, Mischief> = {
    'a connection that is dropped before the answer': once(2, (response) => response.destroy()),
    'a body that breaks off': (request, response, count) => {
      if (count % 2 === 1) return undefined;
      const half = { bytes, etag: '"one"' };
      const write = response.end.bind(response);
      response.end = ((body: Uint8Array) => {
        response.write(body.subarray(0, Math.ceil(body.length / 3)), () => response.destroy());
        return response;
      }) as typeof write;
      honest(half, request.headers.range, response);
      return true;
    },
    'too many requests': once(2, (response) => response.writeHead(429, { 'retry-after': '0' }).end()),
    'a server that is busy': once(2, (response) => response.writeHead(503).end('later')),
    'a server that says nothing': once(2, () => {}),
  };
  it.each(Object.keys(passing))('%s', async (name) => {
    const server = await serveFile({ bytes }, passing[name]);
    const all = await readAll(await open(server.url, { timeoutSeconds: 0.3 }), 300 * KiB);
    expect(difference(all, bytes)).toBeUndefined();
  });
});

describe('what does not pass is an error', () => {
  const refused: Record<string, readonly [Mischief, code: string, options?: HttpOptions]> = {
    'a file that changes': [
      (request, response, count) => {
        if (count === 1) return undefined;
        honest({ bytes, etag: '"two"' }, request.headers.range, response);
        return true;
      },
      'source-changed',
    ],
    'a file that grows': [
      (request, response, count) => {
        if (count === 1) return undefined;
        honest({ bytes: new Uint8Array(bytes.length + 1) }, request.headers.range, response);
        return true;
      },
      'source-changed',
    ],
    'a file that shrinks': [
      (_, response, count) => {
        if (count === 1) return undefined;
        response.writeHead(416, { 'content-range': 'bytes */100' }).end();
        return true;
      },
      'source-changed',
    ],
    'another range than was asked for': [
      from(2, (response) =>
        response
          .writeHead(206, { 'content-range': `bytes 5-14/${bytes.length}`, etag: '"one"' })
          .end('0123456789'),
      ),
      'read-failed',
    ],
    'no word of which range it is': [
      from(2, (response) => response.writeHead(206, { etag: '"one"' }).end('x')),
      'read-failed',
    ],
    'a body that is encoded': [
      from(2, (response) => response.writeHead(206, { 'content-encoding': 'gzip' }).end('x')),
      'read-failed',
    ],
    'a server that gives no parts any more': [
      from(2, (response) => response.writeHead(200, { etag: '"one"' }).end(bytes)),
      'no-ranges',
    ],
    'a server that forgets the file': [from(2, (response) => response.writeHead(404).end()), 'not-found'],
    'a server that wants credentials': [once(1, (response) => response.writeHead(401).end()), 'read-failed'],
    'a server that stays broken': [
      (_, response) => {
        response.writeHead(500).end();
        return true;
      },
      'read-failed',
      { retries: 2 },
    ],
    'redirects in a circle': [
      (_, response) => {
        response.writeHead(302, { location: '/again' }).end();
        return true;
      },
      'read-failed',
    ],
    'a redirect to nowhere': [
      once(1, (response) => response.writeHead(302, { location: 'ftp://example.com/disk' }).end()),
      'read-failed',
    ],
  };
  it.each(Object.keys(refused))('%s', async (name) => {
    const [mischief, code, options] = refused[name] as (typeof refused)[string];
    const server = await serveFile({ bytes }, mischief);
    const reading = open(server.url, options ?? {}).then((source) => readAll(source, MiB));
    await expect(reading).rejects.toMatchObject({ code });
    await expect(reading).rejects.toBeInstanceOf(ImageError);
  });

  it('a server that is not there', async () => {
    const reading = open(new URL('http://127.0.0.1:9/disk.img'), { retries: 1 });
    await expect(reading).rejects.toMatchObject({ code: 'read-failed' });
  });
});

describe('redirects', () => {
  it('are followed once, and the address that they end at is kept', async () => {
    const target = await serveFile({ bytes });
    const first = await serveFile({ bytes: new Uint8Array(0) }, (_, response) => {
      response.writeHead(307, { location: `${target.url.href}?signature=secret` }).end();
      return true;
    });
    const source = await open(first.url, { headers: { authorization: 'Bearer secret' } });
    expect(source.descriptor).toMatchObject({ url: `${target.url.href}?signature=secret` });
    expect(difference(await readAll(source, MiB), bytes)).toBeUndefined();
    expect(first.ranges).toHaveLength(1);
  });

  it('take no secrets to another server', async () => {
    const seen: unknown[] = [];
    const secretsIn = ({ headers }: IncomingMessage) => [headers.authorization, headers['x-auth-token']];
    const target = await serveFile({ bytes }, (request) => {
      seen.push(secretsIn(request));
      return undefined;
    });
    const first = await serveFile({ bytes }, (request, response) => {
      seen.push(secretsIn(request));
      response.writeHead(302, { location: target.url.href }).end();
      return true;
    });
    const url = new URL(first.url);
    url.username = 'me';
    url.password = 'p%40ss';
    const source = await open(url, { headers: { authorization: 'Bearer secret', 'X-Auth-Token': 'secret' } });
    // Not with the first request, nor with those that follow, here or on a worker's thread.
    expect(difference(await readAll(source, MiB), bytes)).toBeUndefined();
    expect(seen.length).toBeGreaterThan(2);
    expect(seen[0]).toEqual(['Bearer secret', 'secret']);
    expect(
      seen
        .slice(1)
        .flat()
        .filter((secret) => secret !== undefined),
    ).toEqual([]);
    expect(source.descriptor).toMatchObject({ kind: 'http', headers: {} });
    expect(source.name).not.toMatch(/me|p%40ss/);
  });

  it('to another path of the same server keep them', async () => {
    const seen: unknown[] = [];
    const server = await serveFile({ bytes }, (request, response, count) => {
      seen.push(request.headers['x-auth-token']);
      if (count > 1) return undefined;
      response.writeHead(302, { location: '/elsewhere' }).end();
      return true;
    });
    const source = await open(server.url, { headers: { 'x-auth-token': 'secret' } });
    expect(difference(await readAll(source, MiB), bytes)).toBeUndefined();
    expect(new Set(seen)).toEqual(new Set(['secret']));
  });
});

describe('credentials in an address', () => {
  it('go with every request', async () => {
    const seen = new Set<string | undefined>();
    const server = await serveFile({ bytes }, (request) => {
      seen.add(request.headers.authorization);
      return undefined;
    });
    const url = new URL(server.url);
    url.username = 'me';
    url.password = 'p%40ss';
    expect(difference(await readAll(await open(url), MiB), bytes)).toBeUndefined();
    expect([...seen]).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`]);
  });

  it.each([
    'http://me:topsecret%zz@127.0.0.1:1/disk.img',
    'http://me:topsecret@host:99999/disk.img?signature=topsecret',
    'http://me:top/topsecret@host:99999/disk.img',
  ])('are in no message, either: %s', async (address) => {
    const error = await openImage(address).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ImageError);
    expect((error as ImageError).code).toBe('bad-option');
    expect((error as ImageError).message).not.toContain('topsecret');
  });
});

describe('a source that is closed', () => {
  it('asks for nothing more, though reads wait for a connection', async () => {
    const held: (() => void)[] = [];
    const server = await serveFile({ bytes }, (request, response, count) => {
      if (count === 1) return undefined;
      held.push(() => honest({ bytes }, request.headers.range, response));
      return true;
    });
    const source = await open(server.url, { connections: 1 });
    const reads = [0, 1, 2].map((nth) => source.read(new Uint8Array(200 * KiB), MiB * nth + 100_000));
    const ends = Promise.allSettled(reads);
    await expect.poll(() => held.length).toBe(1);
    await source.close();
    for (const end of await ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
    await expect.poll(() => server.openConnections()).toBe(0);
    expect(server.ranges).toHaveLength(2);
  });
});

describe('images', () => {
  const kinds: readonly (readonly [FormatName, object])[] = [
    ...formats.filter((format) => 'writer' in format).map(({ name }) => [name, {}] as const),
    ['qcow2', { compress: true }],
  ];
  it.each(kinds)('%s %j converts as from a file, on 1 and 2 threads', async (format, options) => {
    const path = temp(`${format}${JSON.stringify(options)}`);
    const disk = seededGuest(24 * MiB, 6);
    await convert(new Uint8Array(disk), path, { format, options, input: { format: 'raw' } } as never);
    const server = await serveFile({ bytes: new Uint8Array(readFileSync(path)) });
    for (const threads of [1, 2]) {
      const size = disk.length;
      await convert(server.url, temp('out'), { format: 'raw', size, threads, input: { format } });
      expect(difference(readFileSync(temp('out')), disk)).toBeUndefined();
    }
  });

  it('names in them lead nowhere', async () => {
    const overlay = fixtureBytes(fixtureNamed('qcow2/backing'));
    const server = await serveFile({ bytes: overlay });
    const opening = openImage(server.url, { allowPaths: ['/'] });
    await expect(opening).rejects.toMatchObject({ code: 'needs-backing' });
  });

  it('are spooled when the server gives no parts, on request', async () => {
    const path = temp('small.qcow2');
    await convert(new Uint8Array(seededGuest(2 * MiB, 8)), path, {
      format: 'qcow2',
      input: { format: 'raw' },
    });
    const image = new Uint8Array(readFileSync(path));
    const whole: Mischief = (_, response) => {
      honest({ bytes: image }, undefined, response);
      return true;
    };
    const server = await serveFile({ bytes: image }, whole);
    const out = temp('spooled.raw');
    await expect(convert(server.url, out, { format: 'raw' })).rejects.toMatchObject({ code: 'no-ranges' });
    await convert(server.url.href, out, { format: 'raw', input: { spool: true } });
    expect(difference(readFileSync(out), seededGuest(2 * MiB, 8))).toBeUndefined();
    await expect(
      convert(server.url, out, { format: 'raw', input: { spool: true, maxSpoolBytes: 1000 } }),
    ).rejects.toMatchObject({ code: 'over-budget' });
  });

  it('whose download breaks off are not spooled as whole ones', async () => {
    const server = await serveFile({ bytes }, (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, MiB), () => response.destroy());
      return true;
    });
    const opening = openImage(server.url, { format: 'raw', spool: true });
    await expect(opening).rejects.toBeInstanceOf(ImageError);
  });
});
