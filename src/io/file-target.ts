/**
 * A file that several threads write at once, each at its own offsets.
 *
 * Large writes may be direct: from the caller's memory to the disk, around the page cache. An output has to reach its
 * disk anyway before it gets its name; direct, it does so without the kernel copying it, and without a long flush at
 * the end. Everything must then begin and end on pages: the memory, the place in the file, the length. What does not
 * is written the ordinary way, and so is everything where the system or the filesystem has no direct I/O.
 */

import { closeSync, constants, openSync, writevSync } from 'node:fs';
import { ImageIoError } from '../errors.ts';
import type { ByteTarget } from './target.ts';

/** Linux takes 1024 buffers in one writev (IOV_MAX); other systems no fewer. */
const MAX_PARTS = 1024;

/** A multiple of every disk's sector and of common filesystems' blocks, in bytes. */
const PAGE = 4096;
/** Smaller writes are better gathered by the page cache. */
const MIN_DIRECT = 64 * 1024;

/**
 * Opens an existing file for writing; writes block the calling thread.
 * @param direct may large writes go around the page cache?
 * @throws ImageIoError `write-failed`
 */
export function openFileTarget(path: string, { direct }: { readonly direct: boolean }): ByteTarget {
  const fd = guarded(path, () => openSync(path, 'r+'));
  let directFd: number | undefined;
  try {
    if (direct) directFd = openDirect(path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }

  /** Writes the parts directly; false where the system does not take them so. */
  function wroteDirectly(parts: readonly Uint8Array[], fileOffset: number): boolean {
    if (directFd === undefined || !isOnPages(parts, fileOffset)) return false;
    try {
      writeFully(path, directFd, parts, fileOffset);
      return true;
    } catch (error) {
      if (!isInvalid((error as ImageIoError).cause)) throw error;
      closeSync(directFd);
      directFd = undefined;
      return false;
    }
  }

  return {
    name: path,
    async write(parts, fileOffset) {
      let at = fileOffset;
      for (let first = 0; first < parts.length; first += MAX_PARTS) {
        const some = parts.slice(first, first + MAX_PARTS);
        if (!wroteDirectly(some, at)) writeFully(path, fd, some, at);
        at += lengthOf(some);
      }
    },
    async close() {
      // Some filesystems tell only now that a write has failed.
      try {
        guarded(path, () => closeSync(fd));
      } finally {
        if (directFd !== undefined) closeSync(directFd);
      }
    },
  };
}

/** @throws ImageIoError `write-failed` for what the system says */
function guarded<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw cannotWrite(path, undefined, cause);
  }
}

/** Undefined where there is no direct I/O: O_DIRECT is Linux's, and not every filesystem has it. */
function openDirect(path: string): number | undefined {
  if (constants.O_DIRECT === undefined) return undefined;
  try {
    return openSync(path, constants.O_WRONLY | constants.O_DIRECT);
  } catch (cause) {
    if (isInvalid(cause)) return undefined;
    throw cannotWrite(path, undefined, cause);
  }
}

const isInvalid = (cause: unknown): boolean =>
  (cause as NodeJS.ErrnoException | undefined)?.code === 'EINVAL';

const isOnPages = (parts: readonly Uint8Array[], fileOffset: number): boolean =>
  fileOffset % PAGE === 0 &&
  lengthOf(parts) >= MIN_DIRECT &&
  parts.every(({ byteOffset, length }) => byteOffset % PAGE === 0 && length % PAGE === 0);

const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** Writes all parts, however little the system takes at a time. */
function writeFully(path: string, fd: number, parts: readonly Uint8Array[], fileOffset: number): void {
  const length = lengthOf(parts);
  let rest = parts;
  for (let done = 0; done < length; ) {
    const written = writeOnce(path, fd, rest, fileOffset + done);
    done += written;
    if (done < length) rest = dropBytes(rest, written);
  }
}

function writeOnce(path: string, fd: number, parts: readonly Uint8Array[], fileOffset: number): number {
  try {
    return writevSync(fd, parts, fileOffset);
  } catch (cause) {
    throw cannotWrite(path, fileOffset, cause);
  }
}

/** The parts without their first `count` bytes. */
function dropBytes(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (const part of parts) {
    if (skip < part.length) rest.push(part.subarray(skip));
    skip = Math.max(0, skip - part.length);
  }
  return rest;
}

const FULL = 'The disk is full: free some space, or write elsewhere.';
const LIMITED = 'A limit on the size of files is met (ulimit -f, a quota, the filesystem): write elsewhere.';
const FORBIDDEN = 'Check the permissions of the folder, or write elsewhere.';

/** What a user can do about an error of the system. */
const hints: Readonly<Record<string, string>> = {
  ENOSPC: FULL,
  EDQUOT: LIMITED,
  EFBIG: LIMITED,
  EACCES: FORBIDDEN,
  EPERM: FORBIDDEN,
  EROFS: FORBIDDEN,
};

export function cannotWrite(path: string, fileOffset: number | undefined, cause: unknown): ImageIoError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const hint = hints[code ?? ''];
  return new ImageIoError('write-failed', `${path} cannot be written: ${message}.`, {
    fileOffset,
    cause,
    hint,
  });
}
