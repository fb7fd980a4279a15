/**
 * What is in a tar archive, of POSIX (ustar, pax) or of GNU: the names of its files, and where each stands. Only headers are
 * read (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header").
 */

import { alignUp } from '../binary/align.ts';
import { parseTarBlock, TAR_BLOCK } from '../binary/tar.ts';
import { BudgetError, CorruptImageError } from '../errors.ts';
import { type ByteSource, readBytes, requireInside } from '../io/source.ts';
import { isZero } from '../io/zeros.ts';

export interface ArchiveMember {
  /** Without `./` at its beginning. */
  readonly name: string;
  /** Where its bytes begin in the archive. */
  readonly start: number;
  readonly size: number;
  /** Why its bytes are not those of the file: `is a link`. */
  readonly obstacle?: string;
}

/** An archive of disks has a handful of members. */
const MAX_HEADERS = 10_000;
/** Names and other records of pax are some hundred bytes. */
const MAX_RECORDS = 64 * 1024;

/** Kinds behind whose header nothing stands. */
const LINKS_AND_PLACES = ['1', '2', '3', '4', '5', '6'];

/** Does the source begin as an archive does? */
export async function isTar(source: ByteSource): Promise<boolean> {
  if (source.size < TAR_BLOCK) return false;
  return parseTarBlock(await readBytes(source, 0, TAR_BLOCK, 'The header of the archive')) !== undefined;
}

/**
 * The members that are no folders, in the order in which they stand; that all of one is there has been seen when the next one
 * comes, or the end. An archive may end without the blocks that mark its end.
 * @throws CorruptImageError `truncated`, `bad-header`; BudgetError for more headers than an archive of disks has
 */
export async function* tarMembers(source: ByteSource): AsyncGenerator<ArchiveMember> {
  let shared: PaxRecords = {};
  let own: PaxRecords = {};
  let at = 0;
  for (let count = 0; at < source.size; count++) {
    if (count === MAX_HEADERS) throw tooMany(source, at);
    const block = await readBytes(source, at, TAR_BLOCK, 'A header of the archive');
    if (isZero(block)) return;
    const header = parseTarBlock(block);
    if (header === undefined) throw corrupt(`${source.name} has no header of a member`, at);
    const { type } = header;
    const start = at + TAR_BLOCK;
    const hasBytes = !LINKS_AND_PLACES.includes(type);
    const size = hasBytes ? sizeOf(own.size ?? shared.size ?? header.storedSize, at) : 0;
    if ('xgLK'.includes(type)) {
      const records = await readRecords(source, start, sizeOf(header.storedSize, at), type);
      if (type === 'g') shared = { ...shared, ...records };
      else own = { ...own, ...records };
      at = start + alignUp(sizeOf(header.storedSize, at), TAR_BLOCK);
      continue;
    }
    const name = (own.path ?? shared.path ?? header.name).replace(/^(\.\/)+/, '');
    const obstacle = own.isSparse || shared.isSparse ? SPARSE : obstacleOf(type);
    if (type !== '5') yield { name, start, size, ...(obstacle !== undefined && { obstacle }) };
    requireInside(source, start, size, `The member ${JSON.stringify(name)} of the archive`);
    own = {};
    at = start + alignUp(size, TAR_BLOCK);
  }
}

const SPARSE = 'is stored with its holes left out';

function obstacleOf(type: string): string | undefined {
  if (type === '0' || type === '7') return undefined;
  if (type === 'S') return SPARSE;
  return LINKS_AND_PLACES.includes(type) ? 'is a link, or no file' : 'is of a kind that is not known';
}

function sizeOf(size: number | undefined, fileOffset: number): number {
  if (size !== undefined) return size;
  throw corrupt('A member of the archive has a size that is no number', fileOffset);
}

/** What stands in a header of its own before that of a member. */
interface PaxRecords {
  readonly path?: string;
  readonly size?: number | undefined;
  readonly isSparse?: true;
}

async function readRecords(
  source: ByteSource,
  start: number,
  size: number,
  type: string,
): Promise<PaxRecords> {
  if (size > MAX_RECORDS) {
    throw new BudgetError(
      'over-budget',
      `A header of the archive has ${size} bytes of records; at most ${MAX_RECORDS} are read.`,
      { fileOffset: start },
    );
  }
  const bytes = await readBytes(source, start, size, 'A header of the archive');
  if (type === 'L') return { path: textOf(bytes).replace(/\0[\s\S]*$/, '') };
  return type === 'K' ? {} : paxRecords(bytes, start);
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Each is its length in digits, a space, `key=value` and a line feed; the length counts itself. */
function paxRecords(bytes: Uint8Array, fileOffset: number): PaxRecords {
  let records: PaxRecords = {};
  for (let at = 0; at < bytes.length; ) {
    const digits = /^\d{1,5} /.exec(textOf(bytes.subarray(at, at + 6)))?.[0] ?? '';
    const length = Number.parseInt(digits, 10);
    const isWhole = length > digits.length && bytes[at + length - 1] === 0x0a;
    const [, key, value] =
      (isWhole && /^([^=]+)=([\s\S]*)\n$/.exec(textOf(bytes.subarray(at + digits.length, at + length)))) ||
      [];
    if (key === undefined || value === undefined) {
      throw corrupt('A header of the archive has a record that is none of pax', fileOffset + at);
    }
    records = { ...records, ...recordOf(key, value, fileOffset + at) };
    at += length;
  }
  return records;
}

function recordOf(key: string, value: string, fileOffset: number): PaxRecords {
  if (key === 'path') return { path: value };
  if (key.startsWith('GNU.sparse.')) return { isSparse: true };
  if (key !== 'size') return {};
  const size = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  return { size: sizeOf(Number.isSafeInteger(size) ? size : undefined, fileOffset) };
}

const corrupt = (what: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError('bad-header', `${what} at byte ${fileOffset}.`, {
    fileOffset,
    hint: 'The archive is damaged: fetch it again.',
  });

const tooMany = ({ name }: ByteSource, fileOffset: number): BudgetError =>
  new BudgetError('over-budget', `${name} has more than ${MAX_HEADERS} headers of members.`, { fileOffset });
