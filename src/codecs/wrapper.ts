/** Files that are compressed as a whole, whatever is in them: gzip, zstd, xz and bzip2, told by how they begin. */

import { CorruptImageError, ImageError } from '../errors.ts';
import { EndsEarlyError } from './ends-early.ts';

export type WrapperName = 'gzip' | 'zstd' | 'xz' | 'bzip2';

export interface Wrapper {
  readonly name: WrapperName;
  readonly suffixes: readonly string[];
  readonly magic: readonly number[];
  /**
   * What is in it, members, frames and streams one behind the other included. Damage is whatever error the decoder has.
   */
  unwrap(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
}

const wrappers: readonly Wrapper[] = [
  {
    name: 'gzip',
    suffixes: ['.gz', '.gzip', '.tgz'],
    magic: [0x1f, 0x8b, 0x08],
    unwrap: async (chunks) => (await import('./unwrap-native.ts')).gunzipped(chunks),
  },
  {
    name: 'zstd',
    suffixes: ['.zst', '.zstd'],
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    unwrap: async (chunks) => (await import('./unwrap-native.ts')).unzstandard(chunks),
  },
  {
    name: 'xz',
    suffixes: ['.xz'],
    magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
    unwrap: async (chunks) => (await import('./unwrap-packages.ts')).unxzFile(chunks),
  },
  {
    name: 'bzip2',
    suffixes: ['.bz2', '.bzip2'],
    magic: [0x42, 0x5a, 0x68], // and a digit, 1 to 9
    unwrap: async (chunks) => (await import('./unwrap-packages.ts')).unbzip2(chunks),
  },
];

/** Bytes of the head that tell. */
export const WRAPPER_HEAD = 10;

/** The wrapper that begins with `head`, if one does. */
export function wrapperOf(head: Uint8Array): Wrapper | undefined {
  const found = wrappers.find(({ magic }) => magic.every((byte, at) => head[at] === byte));
  if (found?.name !== 'bzip2') return found;
  // Three letters are little: a level and the mark of a block, or of the end, must follow.
  const level = (head[3] ?? 0) - 0x30;
  const isMarked = BZIP2_MARKS.some((mark) => mark.every((byte, at) => head[4 + at] === byte));
  return level >= 1 && level <= 9 && isMarked ? found : undefined;
}

/** Of a block (the digits of π), and of the end of an empty file (those of its root). */
const BZIP2_MARKS = [
  [0x31, 0x41, 0x59, 0x26, 0x53, 0x59],
  [0x17, 0x72, 0x45, 0x38, 0x50, 0x90],
];

/** The wrapper that the name tells of. */
export const wrapperNamed = (name: string): Wrapper | undefined =>
  wrappers.find(({ suffixes }) => suffixes.some((suffix) => name.toLowerCase().endsWith(suffix)));

/** Does the name tell of a wrapper? */
export const isNamedAsWrapped = (name: string): boolean => wrapperNamed(name) !== undefined;

/**
 * The bytes in the wrapper.
 * @throws CorruptImageError `truncated`, `bad-data`; what reading the chunks throws
 */
export async function* unwrapped(
  wrapper: Wrapper,
  chunks: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      read += chunk.length;
      yield chunk;
    }
  }
  const bytes = await wrapper.unwrap(counted());
  try {
    yield* bytes;
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw damaged(wrapper, name, cause as NodeJS.ErrnoException, read);
  }
}

function damaged(
  { name: wrapper }: Wrapper,
  name: string,
  cause: NodeJS.ErrnoException,
  fileOffset: number,
): CorruptImageError {
  const isShort = cause.code === 'Z_BUF_ERROR' || cause instanceof EndsEarlyError;
  return new CorruptImageError(
    isShort ? 'truncated' : 'bad-data',
    isShort
      ? `${name} ends before its ${wrapper} data does.`
      : `${name} cannot be unpacked as ${wrapper}: ${cause.message}.`,
    { fileOffset, cause, hint: 'The file is probably an incomplete or damaged download: fetch it again.' },
  );
}
