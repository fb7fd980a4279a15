/** Files and block devices as sources: asynchronous on the main thread, blocking on a worker's own thread. */

import { type BigIntStats, closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CorruptImageError, ImageIoError } from '../errors.ts';
import { holeFinder } from './file-holes.ts';
import type { ByteSource } from './source.ts';

/**
 * Opens a file or a block device for the main thread: reads do not block it, and holes are found where the
 * platform tells them.
 * @throws ImageIoError `not-found`, `not-a-file`, `read-failed`
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  const absolute = resolve(path);
  const handle = await open(path, 'r').catch((cause) => {
    throw cannotOpen(path, cause);
  });
  try {
    const stats = await handle.stat({ bigint: true });
    requireFileOrDevice(path, stats);
    const size = stats.isFile() ? Number(stats.size) : await deviceSize(handle);
    return {
      name: path,
      size,
      descriptor: { kind: 'file', path: absolute, ...(stats.isFile() && { version: versionOf(stats) }) },
      // Whole seconds: copies often keep no more of it.
      ...(stats.isFile() && { revision: `mtime ${stats.mtimeMs / 1000n}` }),
      ...(stats.isFile() && { allocatedSize: Number(stats.blocks) * 512 }),
      async read(into, fileOffset) {
        for (let done = 0; done < into.length; ) {
          const length = into.length - done;
          const { bytesRead } = await handle.read(into, done, length, fileOffset + done).catch((cause) => {
            throw cannotRead(path, fileOffset, cause);
          });
          if (bytesRead === 0) throw endsEarly(path, fileOffset + done);
          done += bytesRead;
        }
      },
      // The finder is loaded when it is first asked: many commands never do.
      ...(stats.isFile() && {
        dataRanges: (start, end) => holeFinder()?.(handle.fd, start, end) ?? [{ start, end }],
      }),
      async requireUnchanged() {
        requireSame(path, stats, await handle.stat({ bigint: true }));
        // Another file of that name is not what was read here, but perhaps what is read elsewhere, or what was meant.
        const named = await stat(absolute, { bigint: true }).catch((cause) => {
          throw cannotReopen(path, cause);
        });
        requireSame(path, stats, named);
      },
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** When the file was last written: seconds since 1970-01-01T00:00:00Z. @throws ImageIoError `not-found`, `read-failed` */
export async function lastModified(path: string): Promise<number> {
  const stats = await stat(path).catch((cause) => {
    throw cannotOpen(path, cause);
  });
  return stats.mtimeMs / 1000;
}

/**
 * Opens a file that the main thread has opened before, for a worker thread: every read blocks that thread.
 * @param size what the main thread found, as `version` is
 * @throws ImageIoError `source-changed`, `read-failed`
 */
export function openBlockingFileSource(path: string, size: number, version: string | undefined): ByteSource {
  const fd = openAgain(path);
  const stats = fstatSync(fd, { bigint: true });
  const isSame = Number(stats.size) === size && (version === undefined || version === versionOf(stats));
  if (stats.isFile() && !isSame) {
    closeSync(fd);
    throw changed(path);
  }
  return {
    name: path,
    size,
    async read(into, fileOffset) {
      for (let done = 0; done < into.length; ) {
        const bytesRead = readOnce(path, fd, into, done, fileOffset + done);
        if (bytesRead === 0) throw endsEarly(path, fileOffset + done);
        done += bytesRead;
      }
    },
    close: async () => closeSync(fd),
  };
}

function openAgain(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw cannotReopen(path, cause as NodeJS.ErrnoException);
  }
}

function readOnce(path: string, fd: number, into: Uint8Array, done: number, fileOffset: number): number {
  try {
    return readSync(fd, into, done, into.length - done, fileOffset);
  } catch (cause) {
    throw cannotRead(path, fileOffset, cause);
  }
}

function requireFileOrDevice(path: string, stats: BigIntStats): void {
  if (stats.isFile() || stats.isBlockDevice()) return;
  const what = stats.isDirectory() ? 'a directory' : 'neither a file nor a block device';
  throw new ImageIoError('not-a-file', `${path} is ${what}.`, { hint: 'Name the image file itself.' });
}

/** The size of a block device, which stat() does not tell: the last readable byte, found by bisection. */
async function deviceSize(handle: FileHandle): Promise<number> {
  const step = 4096; // a multiple of every device's sector, as raw devices want their reads
  const probe = new Uint8Array(step);
  const bytesAt = async (block: number): Promise<number> =>
    (await handle.read(probe, 0, step, block * step)).bytesRead;
  let low = 0;
  let high = 1;
  while ((await bytesAt(high)) === step) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((await bytesAt(middle)) === step) low = middle;
    else high = middle;
  }
  const whole = (await bytesAt(low)) === step ? low + 1 : 0;
  return whole * step + (await bytesAt(whole));
}

function requireSame(path: string, before: BigIntStats, now: BigIntStats): void {
  if (versionOf(before) !== versionOf(now)) throw changed(path);
}

/** Another file has another one; and so has the same file after it was written to. */
const versionOf = ({ dev, ino, size, mtimeNs }: BigIntStats): string => `${dev}:${ino}:${size}:${mtimeNs}`;

const changed = (path: string, cause?: unknown): ImageIoError =>
  new ImageIoError('source-changed', `${path} was changed while it was read.`, {
    hint: 'Stop what writes to it (a running virtual machine?) and convert again.',
    cause,
  });

const cannotReopen = (path: string, cause: NodeJS.ErrnoException): ImageIoError =>
  cause.code === 'ENOENT' ? changed(path, cause) : cannotOpen(path, cause);

function cannotOpen(path: string, cause: NodeJS.ErrnoException): ImageIoError {
  if (cause.code === 'ENOENT') {
    return new ImageIoError('not-found', `There is no file ${path}.`, { cause, hint: 'Check the name.' });
  }
  return new ImageIoError('read-failed', `${path} cannot be opened: ${cause.message}.`, { cause });
}

const cannotRead = (path: string, fileOffset: number, cause: unknown): ImageIoError =>
  new ImageIoError('read-failed', `${path} cannot be read: ${(cause as Error).message}.`, {
    fileOffset,
    cause,
  });

const endsEarly = (path: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError('truncated', `${path} ends before a place that the image refers to.`, {
    fileOffset,
    hint: 'The file is probably an incomplete download or copy, or was cut while it was read.',
  });
