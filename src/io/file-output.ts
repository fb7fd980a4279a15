/**
 * An output file under construction. It grows beside its final name, as `.NAME.SUFFIX.partial`, and takes that
 * name only when it is complete and flushed; until then an existing file of that name stays as it is.
 */

import { constants } from 'node:fs';
import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ImageIoError, OptionError, requireNotAborted } from '../errors.ts';
import { openFileSource } from './file-source.ts';
import { cannotWrite } from './file-target.ts';

export interface FileOutput {
  /** The file under construction, to be opened with `openFileTarget` on any thread. */
  readonly partialPath: string;
  /** Sets the length in bytes; what was not written reads as zeros. */
  resize(size: number): Promise<void>;
  /**
   * Lets the disk write while there is more to come, so that little is left for the flush at the end; does not wait for it.
   * @param writtenBytes how much has been written so far
   * @throws ImageIoError `write-failed` when an earlier call has come to nothing
   */
  writeBack(writtenBytes: number): void;
  /**
   * Flushes the file to its disk and gives it its name.
   * @throws ImageIoError `write-failed`; CancelledError when `signal` was aborted before the file got its name
   */
  commit(signal?: AbortSignal): Promise<void>;
  /**
   * Removes the file, if it is there and the system allows it. Never throws, so that the error for which it is called
   * is seen. Safe to call after {@link FileOutput.commit}, and twice.
   */
  abandon(): Promise<void>;
}

/**
 * Begins the file `path`; `suffix` tells it from other attempts. Without `flushes` the file gets its name unflushed: a
 * crash of the machine can then leave it incomplete.
 * @throws ImageIoError `write-failed`, `not-a-file` when the name belongs to something else than a file
 */
export async function createFileOutput(
  path: string,
  suffix: string,
  { flushes }: { readonly flushes: boolean },
): Promise<FileOutput> {
  const { finalPath, mode } = await replaceable(path);
  const folder = dirname(finalPath);
  const partialPath = join(folder, `.${basename(finalPath).slice(0, 50)}.${suffix}.partial`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const guard = <T>(action: Promise<T>): Promise<T> => guarded(path, action);
  const handle = await guard(open(partialPath, flags, mode));
  const early = earlyFlushes(path, handle, flushes);
  let state: 'open' | 'committed' | 'abandoned' = 'open';
  return {
    partialPath,
    resize: (size) => guard(handle.truncate(size)),
    writeBack: early.begin,
    async commit(signal) {
      await early.end();
      if (flushes) await guard(handle.sync());
      await guard(handle.close());
      requireNotAborted(signal); // the flush may have taken a while
      await guard(rename(partialPath, finalPath));
      state = 'committed';
      if (flushes) await guard(flushFolder(folder));
    },
    async abandon() {
      if (state !== 'open') return;
      state = 'abandoned';
      if (handle.fd >= 0) await handle.close().catch(() => {}); // a commit that failed later has closed it
      await unlink(partialPath).catch(() => {});
    },
  };
}

/**
 * A file or a block device that is there, of at least `size` bytes, as an output: it is written in place, and keeps its
 * length.
 * @throws ImageIoError `not-found`, `not-a-file`, `read-failed`; OptionError `bad-size` when it is smaller
 */
export async function openExistingOutput(
  path: string,
  size: number,
  { flushes }: { readonly flushes: boolean },
): Promise<FileOutput> {
  const source = await openFileSource(path);
  await source.close();
  if (source.size < size) {
    throw new OptionError('bad-size', `${path} has ${source.size} bytes; the disk has ${size}.`, {
      hint: 'Write to a larger file or device.',
    });
  }
  const handle = await guarded(path, open(path, 'r+'));
  const early = earlyFlushes(path, handle, flushes);
  return {
    partialPath: path,
    resize: async () => {},
    writeBack: early.begin,
    async commit() {
      await early.end();
      if (flushes) await guarded(path, handle.sync());
    },
    abandon: () => handle.close().catch(() => {}),
  };
}

/**
 * Bytes after which the disk is set to work. Much less, and it is busy with what every flush costs; much more, and the last part,
 * for which nothing else is left to do, is large.
 */
const EARLY_FLUSH = 128 * 1024 * 1024;

/** Flushes of a file that is still written, one at a time. */
function earlyFlushes(path: string, handle: FileHandle, flushes: boolean) {
  let begunAt = 0;
  let underWay: Promise<void> | undefined;
  // The system tells of a failed write once: a later flush may well succeed.
  let failure: ImageIoError | undefined;
  const requireSound = (): void => {
    if (failure) throw failure;
  };
  return {
    begin(writtenBytes: number): void {
      requireSound();
      if (!flushes || underWay || writtenBytes - begunAt < EARLY_FLUSH) return;
      begunAt = writtenBytes;
      underWay = guarded(path, handle.datasync())
        .catch((error) => {
          failure = error;
        })
        .finally(() => {
          underWay = undefined;
        });
    },
    async end(): Promise<void> {
      await underWay;
      requireSound();
    },
  };
}

/** @throws ImageIoError `write-failed` for what the system says */
const guarded = <T>(path: string, action: Promise<T>): Promise<T> =>
  action.catch((cause) => {
    throw cannotWrite(path, undefined, cause);
  });

/** The file to replace, and the permissions for its successor. Follows symbolic links: what the name finally stands for must be a file, or nothing yet. */
async function replaceable(path: string): Promise<{ readonly finalPath: string; readonly mode: number }> {
  const existing = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cannotWrite(path, undefined, cause);
  });
  if (existing === undefined) return { finalPath: resolve(path), mode: 0o666 };
  if (existing.isFile()) return { finalPath: await realpath(path), mode: existing.mode & 0o777 };
  const what = existing.isDirectory() ? 'a directory' : 'not a regular file';
  throw new ImageIoError('not-a-file', `${path} is ${what}.`, {
    hint: 'Name a file for the output; it is created, or replaced when the conversion is complete.',
  });
}

/** @throws ImageIoError `same-file` when the output would replace the file that is being read */
export async function requireOtherFile(sourcePath: string | undefined, outputPath: string): Promise<void> {
  if (sourcePath === undefined) return;
  const identities = await Promise.all(
    [sourcePath, outputPath].map((path) => stat(path, { bigint: true }).catch(() => undefined)),
  );
  const [source, output] = identities;
  if (source === undefined || output === undefined) return; // opening them tells more than this check could
  if (source.dev !== output.dev || source.ino !== output.ino) return;
  throw new ImageIoError('same-file', `${outputPath} is the image that is being read.`, {
    hint: 'Write to another name, and rename it afterwards.',
  });
}

/** Makes a rename survive a power failure. Windows cannot open folders, and needs no flush of them. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EISDIR' || cause.code === 'EPERM' || cause.code === 'EACCES') return undefined;
    throw cause;
  });
  try {
    await handle?.sync();
  } catch (cause) {
    if (!isUnsupported(cause)) throw cause;
  } finally {
    await handle?.close();
  }
}

/** Some filesystems refuse to flush a folder; the file itself was flushed before. */
const isUnsupported = (cause: unknown): boolean =>
  ['EINVAL', 'EPERM', 'ENOTSUP', 'EBADF'].includes((cause as NodeJS.ErrnoException).code ?? '');
