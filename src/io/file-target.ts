/** A file that several threads write at once, each at its own offsets. */

import { closeSync, openSync, writevSync } from 'node:fs';
import { ImageIoError } from '../errors.ts';
import type { ByteTarget } from './target.ts';

/** Linux takes 1024 buffers in one writev (IOV_MAX); other systems no fewer. */
const MAX_PARTS = 1024;

/** Opens an existing file for writing; writes block the calling thread. @throws ImageIoError `write-failed` */
export function openFileTarget(path: string): ByteTarget {
  const fd = openSync(path, 'r+');
  return {
    name: path,
    async write(parts, fileOffset) {
      let at = fileOffset;
      for (let first = 0; first < parts.length; first += MAX_PARTS) {
        at += writeFully(path, fd, parts.slice(first, first + MAX_PARTS), at);
      }
    },
    close: async () => closeSync(fd),
  };
}

/** Writes all parts, however little the system takes at a time; returns how many bytes that was. */
function writeFully(path: string, fd: number, parts: readonly Uint8Array[], fileOffset: number): number {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  let rest = parts;
  for (let done = 0; done < length; ) {
    const written = writeOnce(path, fd, rest, fileOffset + done);
    done += written;
    if (done < length) rest = dropBytes(rest, written);
  }
  return length;
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

export function cannotWrite(path: string, fileOffset: number | undefined, cause: unknown): ImageIoError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const hint = code === 'ENOSPC' ? 'The disk is full: free some space, or write elsewhere.' : undefined;
  return new ImageIoError('write-failed', `${path} cannot be written: ${message}.`, {
    fileOffset,
    cause,
    hint,
  });
}
