/** A file that several threads write at once, each at its own offsets. */

import { closeSync, openSync, writevSync } from 'node:fs';
import { ImageIoError } from '../errors.ts';
import type { ByteTarget } from './target.ts';

/** Linux takes 1024 buffers in one writev (IOV_MAX); other systems no fewer. */
const MAX_PARTS = 1024;

/**
 * Opens an existing file for writing; writes block the calling thread.
 * @throws ImageIoError `write-failed`
 */
export function openFileTarget(path: string): ByteTarget {
  const fd = guarded(path, () => openSync(path, 'r+'));
  return {
    name: path,
    async write(parts, fileOffset) {
      let at = fileOffset;
      for (let first = 0; first < parts.length; first += MAX_PARTS) {
        const some = parts.slice(first, first + MAX_PARTS);
        writeFully(path, fd, some, at);
        at += lengthOf(some);
      }
    },
    // Some filesystems tell only now that a write has failed.
    close: async () => guarded(path, () => closeSync(fd)),
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
