/** Ranges, conditions and header fields of the server's answers. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerTo, type FileAnswer, type OfferedFile } from '../../src/io/http-answer.ts';
import { requestedRanges } from '../../src/io/http-ranges.ts';

const some = (...pairs: [number, number][]) => ({
  kind: 'some',
  ranges: pairs.map(([start, end]) => ({ start, end })),
});

describe('the Range field', () => {
  it.each([
    ['bytes=0-499', some([0, 500])],
    ['bytes=500-999', some([500, 1000])],
    ['bytes=500-5000', some([500, 1000])],
    ['bytes=999-', some([999, 1000])],
    ['bytes=-1', some([999, 1000])],
    ['bytes=-5000', some([0, 1000])],
    ['bytes=0-0,-1', some([0, 1], [999, 1000])],
    ['bytes=500-600,0-1', some([500, 601], [0, 2])],
    ['bytes=500-600,550-700,0-0', some([0, 1], [500, 701])],
    ['bytes= , 0-0 ,, 5-5\t,', some([0, 1], [5, 6])],
    ['BYTES=7-7', some([7, 8])],
    ['bytes=1000-,3-3', some([3, 4])],
    ['bytes=0-99999999999999999999999', some([0, 1000])],
    ['bytes=1000-', { kind: 'unsatisfiable' }],
    ['bytes=-0', { kind: 'unsatisfiable' }],
    ['bytes=99999999999999999999999-', { kind: 'unsatisfiable' }],
    [undefined, { kind: 'all' }],
    ['', { kind: 'all' }],
    ['bytes', { kind: 'all' }],
    ['bytes=', { kind: 'all' }],
    ['bytes=-', { kind: 'all' }],
    ['bytes=,', { kind: 'all' }],
    ['bytes=5-4', { kind: 'all' }],
    ['bytes=0-0,5-4', { kind: 'all' }],
    ['bytes=a-b', { kind: 'all' }],
    ['bytes=0x1-2', { kind: 'all' }],
    ['bytes=1-2-3', { kind: 'all' }],
    ['bytes=+1-2', { kind: 'all' }],
    ['seconds=1-2', { kind: 'all' }],
    [`bytes=${'0-0,'.repeat(17)}`, { kind: 'all' }],
  ])('%s of 1000 bytes', (field, expected) => {
    expect(requestedRanges(field, 1000)).toEqual(expected);
  });

  it('of an empty file cannot be', () => {
    expect(requestedRanges('bytes=0-5', 0)).toEqual({ kind: 'unsatisfiable' });
  });

  it('gives what RFC 9110 says, for any ranges: in the file, not empty, each byte once', () => {
    const spec = fc.oneof(
      fc.tuple(fc.nat(300), fc.nat(300)).map(([first, more]) => `${first}-${first + more}`),
      fc.nat(300).map((first) => `${first}-`),
      fc.nat(300).map((length) => `-${length}`),
    );
    fc.assert(
      fc.property(
        fc.array(spec, { minLength: 1, maxLength: 16 }),
        fc.integer({ min: 1, max: 250 }),
        (specs, size) => {
          const wanted = new Set<number>();
          for (const text of specs) {
            const [first = '', last = ''] = text.split('-');
            const start = first === '' ? size - Number(last) : Number(first);
            const end = first === '' || last === '' ? size : Number(last) + 1;
            for (let at = Math.max(0, start); at < Math.min(size, end); at++) wanted.add(at);
          }
          const found = requestedRanges(`bytes=${specs.join(', ')}`, size);
          if (wanted.size === 0) {
            expect(found).toEqual({ kind: 'unsatisfiable' });
            return;
          }
          const ranges = found.kind === 'some' ? found.ranges : [];
          const bytes = ranges.flatMap(({ start, end }) =>
            Array.from({ length: end - start }, (_, i) => start + i),
          );
          expect(bytes.toSorted((a, b) => a - b)).toEqual([...wanted].sort((a, b) => a - b));
        },
      ),
    );
  });

  it('never fails, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(1000), (text, size) => {
        for (const field of [text, `bytes=${text}`]) {
          const found = requestedRanges(field, size);
          if (found.kind !== 'some') continue;
          for (const { start, end } of found.ranges) {
            expect(start).toBeGreaterThanOrEqual(0);
            expect(end).toBeGreaterThan(start);
            expect(end).toBeLessThanOrEqual(size);
          }
        }
      }),
    );
  });
});

const SECOND = Date.UTC(1994, 10, 6, 8, 49, 37);
const file: OfferedFile = { name: 'disk.vhd', size: 1000, etag: '"abc"', lastModified: SECOND + 250 };
const ask = (headers: Record<string, string>, method = 'GET', of = file) => answerTo({ method, headers }, of);
const all = [{ start: 0, end: 1000 }];

describe('an answer', () => {
  it('is the file, with all that a downloader wants to know', () => {
    expect(ask({})).toEqual({
      status: 200,
      headers: {
        etag: '"abc"',
        'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT',
        'accept-ranges': 'bytes',
        'cache-control': 'no-transform',
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="disk.vhd"',
        'content-length': '1000',
      },
      body: all,
    });
  });

  it('to HEAD is the same without the bytes, and without ranges', () => {
    expect(ask({ range: 'bytes=0-0' }, 'HEAD')).toEqual({ ...ask({}), body: [] });
  });

  it('is a part', () => {
    const { status, headers, body } = ask({ range: 'bytes=-10' });
    expect({ status, body }).toEqual({ status: 206, body: [{ start: 990, end: 1000 }] });
    expect(headers).toMatchObject({ 'content-range': 'bytes 990-999/1000', 'content-length': '10' });
  });

  it('refuses what is not there, with the size', () => {
    const { status, headers } = ask({ range: 'bytes=1000-' });
    expect([status, headers['content-range']]).toEqual([416, 'bytes */1000']);
  });

  it('is several parts, as long as it says', () => {
    const { status, headers, body } = ask({ range: 'bytes=0-1,500-599' });
    const boundary = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(headers['content-type'] ?? '')?.[1];
    const text = body.map((piece) => (typeof piece === 'string' ? piece : JSON.stringify(piece))).join('');
    expect(status).toBe(206);
    expect(headers['content-range']).toBeUndefined();
    expect(text.split(`\r\n--${boundary}`)).toEqual([
      '',
      '\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-1/1000\r\n\r\n{"start":0,"end":2}',
      '\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 500-599/1000\r\n\r\n{"start":500,"end":600}',
      '--\r\n',
    ]);
    expect(Number(headers['content-length'])).toBe(lengthOf({ status, headers, body }));
  });

  it('to another method says which there are', () => {
    expect(ask({}, 'PUT')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });

  it('of a file whose size is not known has no length and no ranges', () => {
    const { status, headers, body } = ask({ range: 'bytes=0-1' }, 'GET', { ...file, size: undefined });
    expect({ status, body }).toEqual({ status: 200, body: ['all'] });
    expect(headers['accept-ranges']).toBe('none');
    expect(headers['content-length']).toBeUndefined();
  });

  it('of an empty file is empty', () => {
    expect(ask({}, 'GET', { ...file, size: 0 })).toMatchObject({ status: 200, body: [] });
  });

  it.each([
    [{ 'if-match': '"abc"' }, 200],
    [{ 'if-match': '"x", "abc"' }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': 'W/"abc"' }, 412],
    [{ 'if-none-match': '"abc"' }, 304],
    [{ 'if-none-match': 'W/"abc"' }, 304],
    [{ 'if-none-match': '"x","abc"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 304],
    [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, 304],
    [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, 304],
    [{ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT', 'if-none-match': '"x"' }, 200],
    [{ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 200],
    [{ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }, 412],
    [{ 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:36 GMT', 'if-match': '"abc"' }, 200],
    [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 412],
    [{ range: 'bytes=0-0', 'if-range': '"abc"' }, 206],
    [{ range: 'bytes=0-0', 'if-range': '"x"' }, 200],
    [{ range: 'bytes=0-0', 'if-range': 'W/"abc"' }, 200],
    [{ range: 'bytes=0-0', 'if-range': 'Sun, 06 Nov 1994 08:49:37 GMT' }, 200],
    [{ range: 'bytes=2000-', 'if-range': '"x"' }, 200],
    [{ range: 'bytes=0-0', 'if-none-match': '"abc"' }, 304],
  ])('%j: %i', (headers, status) => {
    expect(ask(headers as Record<string, string>).status).toBe(status);
  });

  it('never has ranges of a file whose tag is weak, where a condition asks', () => {
    expect(
      ask({ range: 'bytes=0-0', 'if-range': 'W/"abc"' }, 'GET', { ...file, etag: 'W/"abc"' }).status,
    ).toBe(200);
  });

  it.each([
    ['plain name.vhd', 'attachment; filename="plain name.vhd"'],
    ['größe.vhd', `attachment; filename="gr__e.vhd"; filename*=UTF-8''gr%C3%B6%C3%9Fe.vhd`],
    ['a"b\\c.vhd', `attachment; filename="a_b_c.vhd"; filename*=UTF-8''a%22b%5Cc.vhd`],
    ["it's (1).vhd", `attachment; filename="it's (1).vhd"`],
    ['\ud800\r\n.vhd', `attachment; filename="___.vhd"; filename*=UTF-8''%EF%BF%BD%0D%0A.vhd`],
  ])('downloads as %j', (name, disposition) => {
    expect(ask({}, 'GET', { ...file, name }).headers['content-disposition']).toBe(disposition);
  });

  it('is as long as it says, and can be sent, whatever is asked', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('"abc"', 'bytes=0-5,7-9', 'bytes=990-', '*'));
    const names = [
      'range',
      'if-range',
      'if-match',
      'if-none-match',
      'if-modified-since',
      'if-unmodified-since',
    ];
    const headers = fc.dictionary(fc.constantFrom(...names), word);
    fc.assert(
      fc.property(
        fc.constantFrom('GET', 'HEAD'),
        headers,
        fc.string({ unit: 'binary' }),
        (method, asked, name) => {
          const answer = ask(asked, method, { ...file, name });
          if (method === 'GET' && answer.status !== 304) {
            expect(lengthOf(answer)).toBe(Number(answer.headers['content-length']));
          }
          expect(Object.values(answer.headers).join('')).toMatch(/^[\x20-\x7e]*$/);
        },
      ),
    );
  });
});

/** Bytes of the body. */
const lengthOf = ({ body }: FileAnswer): number =>
  body.reduce((sum, piece) => {
    if (piece === 'all') throw new Error('the size is known');
    return sum + (typeof piece === 'string' ? Buffer.byteLength(piece) : piece.end - piece.start);
  }, 0);
