/** xz by xz-decompress, bzip2 by unbzip2-stream: packages that are loaded when they are needed. */

import { EndsEarlyError } from './ends-early.ts';
import { unxz } from './xz.ts';

/** Codes of XZ Embedded (`enum xz_ret`). */
const XZ_OPTIONS = 6;
const XZ_BUF_ERROR = 8;

/** With errors that tell a file that ends early, and one that cannot be unpacked here. */
export async function unxzFile(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  return withReasons(await unxz(chunks));
}

async function* withReasons(unpacked: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* unpacked;
  } catch (cause) {
    const code = /error code (\d+)/.exec((cause as Error).message)?.[1];
    if (Number(code) === XZ_BUF_ERROR) throw new EndsEarlyError('it ends early', { cause });
    if (Number(code) !== XZ_OPTIONS) throw cause;
    throw new Error('it has a check or a filter that is not known here (unpack it with xz)', { cause });
  }
}

/** Streams one behind the other are one file. */
export async function unbzip2(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const { default: unbzip2Stream } = await import('unbzip2-stream');
  return blocksOf(unbzip2Stream(), chunks);
}

async function* blocksOf(
  decoder: NodeJS.ReadWriteStream,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const made: Uint8Array[] = [];
  let failure: Error | undefined;
  decoder.on('data', (bytes: Uint8Array) => made.push(bytes));
  decoder.on('error', (error: Error) => {
    failure ??= error;
  });
  function* taken(): Generator<Uint8Array> {
    // It reads past the end of what it has, and trips.
    if (failure instanceof TypeError || /prematurely/.test(failure?.message ?? '')) {
      throw new EndsEarlyError('it ends early', { cause: failure });
    }
    if (failure) throw failure;
    yield* made.splice(0);
  }
  for await (const chunk of chunks) {
    // The decoder does all at once; in small pieces it gives out what it makes.
    for (let at = 0; at < chunk.length; at += 64 * 1024) {
      decoder.write(chunk.subarray(at, at + 64 * 1024));
      yield* taken();
    }
  }
  decoder.end();
  yield* taken();
}
