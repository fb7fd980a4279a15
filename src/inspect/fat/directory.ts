/** Entries of FAT directories: short names, and long ones spread over the entries before them. */

const ENTRY_SIZE = 32;
const FREE = 0xe5;
const READ_ONLY_HIDDEN_SYSTEM_LABEL = 0x0f;
const LABEL = 0x08;
const DIRECTORY = 0x10;
/** A long name has at most 20 entries of 13 characters. */
const LAST_LONG = 0x40;

export interface FatEntry {
  /** The long name, or the short one. */
  readonly name: string;
  /** `NAME.EXT` */
  readonly shortName: string;
  readonly kind: 'file' | 'directory' | 'label';
  /** 0 for an empty file. */
  readonly cluster: number;
  /** Bytes; of directories 0. */
  readonly size: number;
}

/** The entries in the bytes of a directory, up to its end; without `.` and `..`. */
export function* entriesIn(bytes: Uint8Array): Generator<FatEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let long = newLongName();
  for (let at = 0; at + ENTRY_SIZE <= bytes.length; at += ENTRY_SIZE) {
    const first = view.getUint8(at);
    if (first === 0) return;
    const attributes = view.getUint8(at + 11) & 0x3f;
    if (first === FREE) {
      long = newLongName();
      continue;
    }
    if (attributes === READ_ONLY_HIDDEN_SYSTEM_LABEL) {
      long.add(first, view.getUint8(at + 13), bytes.subarray(at, at + ENTRY_SIZE));
      continue;
    }
    const raw = bytes.subarray(at, at + 11);
    const shortName = shortNameOf(raw, view.getUint8(at + 12));
    const name = long.finish(checksumOf(raw)) ?? shortName;
    long = newLongName();
    if (shortName === '.' || shortName === '..') continue;
    const isLabel = (attributes & LABEL) !== 0;
    yield {
      name: isLabel ? String.fromCharCode(...raw).trimEnd() : name,
      shortName,
      kind: isLabel ? 'label' : (attributes & DIRECTORY) !== 0 ? 'directory' : 'file',
      cluster: view.getUint16(at + 20, true) * 0x10000 + view.getUint16(at + 26, true),
      size: view.getUint32(at + 28, true),
    };
  }
}

interface LongName {
  add(order: number, checksum: number, entry: Uint8Array): void;
  /** The name, when its entries are complete and belong to the short name with that checksum. */
  finish(checksum: number): string | undefined;
}

/** Its entries stand from the last part to the first. */
function newLongName(): LongName {
  let expected = 0;
  let seal = -1;
  let characters: number[] = [];
  return {
    add(order, checksum, entry) {
      const part = order & 0x3f;
      if ((order & LAST_LONG) !== 0) {
        characters = [];
        seal = checksum;
        expected = part <= 20 ? part : 0;
      }
      if (part !== expected || part === 0 || checksum !== seal) {
        seal = -1;
        return;
      }
      const view = new DataView(entry.buffer, entry.byteOffset, ENTRY_SIZE);
      characters.unshift(...PLACES.map((at) => view.getUint16(at, true)));
      expected = part - 1;
    },
    finish(checksum) {
      if (seal !== checksum || expected !== 0 || characters.length === 0) return undefined;
      const end = characters.indexOf(0);
      return String.fromCharCode(...(end < 0 ? characters : characters.slice(0, end)));
    },
  };
}

/** Where an entry has its 13 characters of UTF-16. */
const PLACES = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

function checksumOf(raw: Uint8Array): number {
  let sum = 0;
  for (const byte of raw) sum = (((sum & 1) << 7) + (sum >>> 1) + byte) & 0xff;
  return sum;
}

/** `flags`: Windows NT keeps there whether name and ending are in lower case. */
function shortNameOf(raw: Uint8Array, flags: number): string {
  const bytes = Uint8Array.from(raw);
  if (bytes[0] === 0x05) bytes[0] = FREE;
  const part = (from: number, to: number, isLower: boolean): string => {
    const text = String.fromCharCode(...bytes.subarray(from, to)).trimEnd();
    return isLower ? text.toLowerCase() : text;
  };
  const name = part(0, 8, (flags & 0x08) !== 0);
  const ending = part(8, 11, (flags & 0x10) !== 0);
  return ending === '' ? name : `${name}.${ending}`;
}
