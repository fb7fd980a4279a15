/** A file that is changed in place. */

import { type FileHandle, open } from 'node:fs/promises';
import { ImageIoError } from '../errors.ts';
import type { ByteEditor } from './editor.ts';
import { cannotWrite } from './file-target.ts';
import { requireInside } from './source.ts';

/** @throws ImageIoError `write-failed`, `not-a-file` */
export async function openFileEditor(path: string): Promise<ByteEditor> {
  const guard = <T>(action: Promise<T>, fileOffset?: number): Promise<T> =>
    action.catch((cause) => {
      throw cannotWrite(path, fileOffset, cause);
    });
  const handle = await guard(open(path, 'r+'));
  let size = await sizeOf(handle, path);
  const editor: ByteEditor = {
    name: path,
    get size() {
      return size;
    },
    async read(into, fileOffset) {
      requireInside(editor, fileOffset, into.length, 'A read');
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await handle.read(into, done, into.length - done, fileOffset + done);
        if (bytesRead === 0) throw shrank(path);
        done += bytesRead;
      }
    },
    async write(bytes, fileOffset) {
      for (let done = 0; done < bytes.length; ) {
        const length = bytes.length - done;
        const { bytesWritten } = await guard(
          handle.write(bytes, done, length, fileOffset + done),
          fileOffset,
        );
        done += bytesWritten;
      }
      size = Math.max(size, fileOffset + bytes.length);
    },
    async extend(wanted) {
      if (wanted <= size) return;
      await guard(handle.truncate(wanted));
      size = wanted;
    },
    flush: () => guard(handle.sync()),
    close: () => handle.close(),
  };
  return editor;
}

async function sizeOf(handle: FileHandle, path: string): Promise<number> {
  const stats = await handle.stat();
  if (stats.isFile()) return stats.size;
  await handle.close();
  throw new ImageIoError('not-a-file', `${path} is not a regular file.`, {
    hint: 'Only the disks in files can be resized; a device has the size that it has.',
  });
}

const shrank = (path: string): ImageIoError =>
  new ImageIoError('source-changed', `${path} was made shorter while it was changed.`, {
    hint: 'Stop what writes to it (a running virtual machine?).',
  });
