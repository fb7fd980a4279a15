/** Temporary files: for what cannot be made in the order in which it is wanted. */

import { mkdtemp, open, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cannotWrite } from './file-target.ts';

export interface TemporaryFile {
  /** By which threads of this process open it. */
  readonly path: string;
  /** @throws ImageIoError `write-failed` */
  write(bytes: Uint8Array, fileOffset: number): Promise<void>;
  /** Sets the length in bytes; what was not written reads as zeros. */
  resize(size: number): Promise<void>;
  /** Reads up to `into.length` bytes; returns how many there were. */
  read(into: Uint8Array, fileOffset: number): Promise<number>;
  /** Removes it. */
  close(): Promise<void>;
}

/**
 * A file that only its owner can read, in a folder of its own, and that goes when it is closed, or with the process where
 * the platform allows that.
 * @param folder where it is made; by default the system's folder for temporary files
 * @throws ImageIoError `write-failed`
 */
export async function openTemporaryFile(folder = tmpdir()): Promise<TemporaryFile> {
  const fail = (cause: unknown): never => {
    throw cannotWrite(folder, undefined, cause as NodeJS.ErrnoException);
  };
  const own = await mkdtemp(join(folder, 'diskimg-spool-')).catch(fail);
  const path = join(own, 'spool');
  const handle = await open(path, 'wx+', 0o600).catch(async (cause) => {
    await rmdir(own);
    return fail(cause);
  });
  // Where an open file has a second name, it goes with the process; elsewhere when it is closed.
  const link = `/proc/self/fd/${handle.fd}`;
  const isGone = await stat(link).then(
    () => unlink(path).then(() => rmdir(own).then(() => true)),
    () => false,
  );
  return {
    path: isGone ? link : path,
    async write(bytes, fileOffset) {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle
          .write(bytes, done, bytes.length - done, fileOffset + done)
          .catch((cause) => {
            throw cannotWrite(path, fileOffset, cause);
          });
        done += bytesWritten;
      }
    },
    async resize(size) {
      await handle.truncate(size).catch((cause) => {
        throw cannotWrite(path, undefined, cause);
      });
    },
    read: async (into, fileOffset) => (await handle.read(into, 0, into.length, fileOffset)).bytesRead,
    async close() {
      await handle.close();
      if (!isGone) await rm(own, { recursive: true, force: true });
    },
  };
}
