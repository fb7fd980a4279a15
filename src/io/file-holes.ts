/**
 * Finds the holes of sparse files with lseek(SEEK_DATA) and lseek(SEEK_HOLE), which Node does not offer.
 * `koffi`, an optional dependency, makes the call. Where it is missing, or the platform or the filesystem does
 * not answer, there is no finder, and zeros are found by reading them.
 */

import { createRequire } from 'node:module';
import { platform } from 'node:os';
import type { ByteRange } from './source.ts';

/** The ranges of an open file within [start, end) that may hold data, in order. */
export type HoleFinder = (fd: number, start: number, end: number) => Iterable<ByteRange>;

type Seek = (fd: number, offset: number, whence: number) => number;

/** whence values of <unistd.h>; the two systems number them the other way around. */
const whence: Partial<Record<NodeJS.Platform, { data: number; hole: number; library: string }>> = {
  linux: { data: 3, hole: 4, library: 'libc.so.6' },
  darwin: { data: 4, hole: 3, library: 'libSystem.dylib' },
};

let finder: HoleFinder | undefined | 'unknown' = 'unknown';

/** The finder of this machine, or undefined where it has none. */
export function holeFinder(): HoleFinder | undefined {
  if (finder === 'unknown') finder = loadFinder();
  return finder;
}

function loadFinder(): HoleFinder | undefined {
  const numbers = whence[platform()];
  if (numbers === undefined) return undefined;
  const seek = loadSeek(numbers.library);
  return seek && ((fd, start, end) => dataRangesOf(seek, numbers, fd, start, end));
}

function loadSeek(library: string): Seek | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi');
    return koffi.load(library).func('int64_t lseek(int fd, int64_t offset, int whence)') as Seek;
  } catch {
    // An optional dependency: not installed, no build for this platform, or another C library (musl).
    return undefined;
  }
}

function* dataRangesOf(
  seek: Seek,
  whence: { data: number; hole: number },
  fd: number,
  start: number,
  end: number,
): Generator<ByteRange> {
  let at = start;
  while (at < end) {
    const dataStart = seek(fd, at, whence.data);
    if (dataStart < 0) {
      // Either no data is left, or the filesystem does not answer; only in the first case is this a hole.
      if (!isHole(seek, whence, fd, at)) yield { start: at, end };
      return;
    }
    if (dataStart >= end) return;
    const hole = seek(fd, dataStart, whence.hole);
    const dataEnd = hole < 0 ? end : Math.min(hole, end);
    yield { start: dataStart, end: dataEnd };
    at = dataEnd;
  }
}

/** SEEK_HOLE answers with the offset itself when it stands in a hole. */
const isHole = (seek: Seek, whence: { hole: number }, fd: number, at: number): boolean =>
  seek(fd, at, whence.hole) === at;
