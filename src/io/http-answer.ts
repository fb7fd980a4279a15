/** What a server answers to a request for its one file (RFC 9110): conditions, ranges, header fields. Pure. */

import { type RequestedRange, requestedRanges } from './http-ranges.ts';

/** The file, as it is told of. */
export interface OfferedFile {
  /** The name that a download gets. */
  readonly name: string;
  /** Bytes; undefined where that is known only at the end: there are no ranges of such a file. */
  readonly size: number | undefined;
  /** With its quotes, and `W/` before them when the same word may stand for other bytes of the same disk. */
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
}

export interface FileRequest {
  readonly method: string | undefined;
  /** By lower-case names, as Node gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Bytes of a body: text, a range of the file, or all of a file whose size is not known. */
export type BodyPiece = string | RequestedRange | 'all';

export interface FileAnswer {
  readonly status: number;
  /** `content-length` is left out where it is not known, and for a status that has no body. */
  readonly headers: Readonly<Record<string, string>>;
  /** One after the other; none for HEAD. */
  readonly body: readonly BodyPiece[];
}

/**
 * The answer to a request for the file: 200, 206, 304, 405, 412 or 416. Several ranges are sent as multipart/byteranges: a
 * 206 with one of them would be allowed, but clients that ask for several count on having them all.
 */
export function answerTo({ method = '', headers }: FileRequest, file: OfferedFile): FileAnswer {
  if (method !== 'GET' && method !== 'HEAD')
    return refusal(405, 'Only GET and HEAD.', { allow: 'GET, HEAD' });
  const isHead = method === 'HEAD';
  const about = {
    etag: file.etag,
    'last-modified': new Date(file.lastModified).toUTCString(),
    'accept-ranges': file.size === undefined ? 'none' : 'bytes',
    // Names and conditions are of this file; nobody in between shall think of others.
    'cache-control': 'no-transform',
  };
  const unmet = precondition(headers, file);
  if (unmet === 304) return { status: 304, headers: about, body: [] };
  if (unmet === 412) return refusal(412, 'The file is not the one that was expected.', about, isHead);
  const whole = { ...about, ...DOWNLOAD, 'content-disposition': dispositionOf(file.name) };
  if (file.size === undefined) return { status: 200, headers: whole, body: isHead ? [] : ['all'] };

  const { size } = file;
  // Ranges are defined for GET only (section 14.2).
  const isRanged = method === 'GET' && ifRange(headers, file);
  const asked = requestedRanges(isRanged ? field(headers, 'range') : undefined, size);
  if (asked.kind === 'unsatisfiable') {
    return refusal(416, 'No such bytes.', { ...about, 'content-range': `bytes */${size}` });
  }
  if (asked.kind === 'all') {
    const body: BodyPiece[] = isHead || size === 0 ? [] : [{ start: 0, end: size }];
    return { status: 200, headers: { ...whole, 'content-length': String(size) }, body };
  }
  const [range, ...more] = asked.ranges;
  if (more.length > 0) return multipart(asked.ranges, file, size, whole);
  return {
    status: 206,
    headers: {
      ...whole,
      'content-range': contentRange(range, size),
      'content-length': String(range.end - range.start),
    },
    body: [range],
  };
}

const TYPE = 'application/octet-stream';
const DOWNLOAD = { 'content-type': TYPE };

/** An answer that is a line of text. */
export function refusal(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
  isHead = false,
): FileAnswer {
  const line = `${text}\n`;
  return {
    status,
    headers: {
      ...headers,
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(Buffer.byteLength(line)),
    },
    body: isHead ? [] : [line],
  };
}

/** Section 14.6. */
function multipart(
  ranges: readonly RequestedRange[],
  { etag }: OfferedFile,
  size: number,
  headers: Readonly<Record<string, string>>,
): FileAnswer {
  // Readers go by the lengths; that the word of a digest stands in the bytes as a line of its own is no concern.
  const boundary = `part-${etag.replaceAll(/\W/g, '')}`;
  const body: (string | RequestedRange)[] = [];
  for (const range of ranges) {
    body.push(
      `\r\n--${boundary}\r\nContent-Type: ${TYPE}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
      range,
    );
  }
  body.push(`\r\n--${boundary}--\r\n`);
  const length = body.reduce((sum, piece) => sum + lengthOf(piece), 0);
  return {
    status: 206,
    headers: {
      ...headers,
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'content-length': String(length),
    },
    body,
  };
}

const lengthOf = (piece: string | RequestedRange): number =>
  typeof piece === 'string' ? Buffer.byteLength(piece) : piece.end - piece.start;

const contentRange = ({ start, end }: RequestedRange, size: number): string =>
  `bytes ${start}-${end - 1}/${size}`;

/** The conditions in their order (section 13.2.2): what the answer is when one is not met. */
function precondition(
  headers: FileRequest['headers'],
  { etag, lastModified }: OfferedFile,
): 304 | 412 | undefined {
  const seconds = Math.floor(lastModified / 1000);
  const ifMatch = field(headers, 'if-match');
  const ifNoneMatch = field(headers, 'if-none-match');
  if (ifMatch !== undefined) {
    if (!lists(ifMatch, etag, isStronglySame)) return 412;
  } else {
    const limit = dateOf(field(headers, 'if-unmodified-since'));
    if (limit !== undefined && seconds > limit) return 412;
  }
  if (ifNoneMatch !== undefined) {
    if (lists(ifNoneMatch, etag, isWeaklySame)) return 304;
  } else {
    const limit = dateOf(field(headers, 'if-modified-since'));
    if (limit !== undefined && seconds <= limit) return 304;
  }
  return undefined;
}

/**
 * May there be a range (section 13.1.5)? With a date there may not: two files of the same second, with other options, are
 * not the same bytes.
 */
function ifRange(headers: FileRequest['headers'], { etag }: OfferedFile): boolean {
  const condition = field(headers, 'if-range');
  return condition === undefined || isStronglySame(condition.trim(), etag);
}

/** Is the tag in a list of them, or the list `*`? */
function lists(list: string, etag: string, isSame: (one: string, other: string) => boolean): boolean {
  if (list.trim() === '*') return true;
  return (list.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? []).some((listed) => isSame(listed, etag));
}

/** Section 8.8.3.2. */
const isStronglySame = (one: string, other: string): boolean => one === other && !one.startsWith('W/');
const isWeaklySame = (one: string, other: string): boolean =>
  one.replace(/^W\//, '') === other.replace(/^W\//, '');

/** Seconds since 1970; undefined for what is no date: such a condition is ignored. */
function dateOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  // One of the three forms (section 5.6.7) has no zone.
  const milliseconds = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

function field(headers: FileRequest['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'object' ? value.join(', ') : value;
}

/** RFC 6266, with the name once more for who knows ASCII only. */
function dispositionOf(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["\\%/]/g, '_');
  if (plain === name) return `attachment; filename="${plain}"`;
  return `attachment; filename="${plain}"; filename*=UTF-8''${extValue(name)}`;
}

/** RFC 8187, section 3.2.1. */
const extValue = (name: string): string =>
  encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
