/**
 * Headers of tar archives: of old GNU flavour with one member, as far as a disk in one needs it, and as far as telling what is
 * in others (GNU tar manual, "Basic Tar Format" and "Storing Sparse Files": `struct posix_header`, `struct oldgnu_header`,
 * `struct sparse`).
 */

/** Everything in an archive is in blocks of this many bytes. */
export const TAR_BLOCK = 512;
/** Archives end on records of twenty blocks, as tar writes them. */
const RECORD = 20 * TAR_BLOCK;

/** A file in an archive. */
export interface TarMember {
  readonly name: string;
  /** Bytes of the file, holes included. */
  readonly size: number;
  /** Bytes that stand in the archive. */
  readonly storedSize: number;
  readonly isSparse: boolean;
  /** Of a sparse one: where its data goes; the rest is zeros. */
  readonly runs: readonly TarRun[];
  /** Does a block with more runs follow? */
  readonly hasMoreRuns: boolean;
}

export interface TarRun {
  readonly offset: number;
  readonly length: number;
}

/** The header of a regular file: root's, readable for all, of 1970, so that the same disk makes the same archive. */
export function tarHeader(name: string, size: number): Uint8Array {
  const block = new Uint8Array(TAR_BLOCK);
  const put = (text: string, at: number): void => block.set(new TextEncoder().encode(text), at);
  put(name, 0);
  put('0000644\0', 100);
  put('0000000\0', 108);
  put('0000000\0', 116);
  putNumber(block, 124, size);
  put('00000000000\0', 136);
  put('0', 156);
  put('ustar  \0', 257);
  put('root', 265);
  put('root', 297);
  put(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Zeros behind the data of a member of `size` bytes: to the block, two blocks that end the archive, to the record. */
export function tarEnd(size: number): Uint8Array {
  const padded = Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  const end = Math.ceil((TAR_BLOCK + padded + 2 * TAR_BLOCK) / RECORD) * RECORD;
  return new Uint8Array(end - TAR_BLOCK - size);
}

/** Octal digits, or from 8 GiB on a binary number with the top bit set. */
function putNumber(block: Uint8Array, at: number, value: number): void {
  if (value < 8 ** 11) {
    block.set(new TextEncoder().encode(`${value.toString(8).padStart(11, '0')}\0`), at);
    return;
  }
  block[at] = 0x80;
  new DataView(block.buffer, block.byteOffset).setBigUint64(at + 4, BigInt(value));
}

/** The sum of the header's bytes, its own field taken as spaces. */
const checksum = (block: Uint8Array): number =>
  block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);

/** What any header block tells. */
export interface TarBlock {
  /** One character: `0` a file, `5` a folder, `x` a block of pax records, and so on. */
  readonly type: string;
  readonly name: string;
  /** Bytes that stand behind the header; undefined for what is no number, or none that is exact. */
  readonly storedSize: number | undefined;
}

/** A header of any kind, of POSIX or of GNU; undefined for what is none. */
export function parseTarBlock(block: Uint8Array): TarBlock | undefined {
  if (textAt(block, 257, 5) !== 'ustar' || numberAt(block, 148, 8) !== checksum(block)) return undefined;
  const name = textAt(block, 0, 100);
  // GNU's own flavour has times where POSIX has the folders of a long name.
  const prefix = block[262] === 0 ? textAt(block, 345, 155) : '';
  return {
    type: String.fromCharCode(block[156] || 0x30),
    name: prefix === '' ? name : `${prefix}/${name}`,
    storedSize: numberAt(block, 124, 12),
  };
}

/** The member that a header block describes; undefined for what is no header of a file. */
export function parseTarHeader(block: Uint8Array): TarMember | undefined {
  const header = parseTarBlock(block);
  if (header === undefined) return undefined;
  const { type, storedSize } = header;
  const isSparse = type === 'S';
  const size = isSparse ? numberAt(block, 483, 12) : storedSize;
  if (!['0', 'S'].includes(type) || storedSize === undefined || size === undefined) return undefined;
  return {
    name: textAt(block, 0, 100),
    size,
    storedSize,
    isSparse,
    runs: isSparse ? runsAt(block, 386, 4) : [],
    hasMoreRuns: isSparse && block[482] === 1,
  };
}

/** A block with more runs of a sparse file. */
export const parseTarRuns = (block: Uint8Array): { runs: readonly TarRun[]; hasMoreRuns: boolean } => ({
  runs: runsAt(block, 0, 21),
  hasMoreRuns: block[504] === 1,
});

function runsAt(block: Uint8Array, start: number, count: number): TarRun[] {
  const runs: TarRun[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * 24;
    if (block[at] === 0) break;
    runs.push({ offset: numberAt(block, at, 12) ?? -1, length: numberAt(block, at + 12, 12) ?? -1 });
  }
  return runs;
}

function textAt(block: Uint8Array, at: number, length: number): string {
  const bytes = block.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Undefined for what is no number, or none that is exact. */
function numberAt(block: Uint8Array, at: number, length: number): number | undefined {
  const [first = 0] = block.subarray(at, at + 1);
  if (first === 0x80) {
    let value = 0;
    for (const byte of block.subarray(at + 1, at + length)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = textAt(block, at, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}
