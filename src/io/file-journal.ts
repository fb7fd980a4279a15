/** A file to which whole lines are appended, each flushed to its disk before the next. */

import { open, readFile, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ImageError, ImageIoError, OptionError } from '../errors.ts';
import { flushFolder } from './file-output.ts';
import { cannotWrite } from './file-target.ts';

/** The longest file that is read as a journal: a TiB of data in small blocks leaves some 100 MiB, text ends at 512. */
const MAX_LENGTH = 480 * 1024 * 1024;

export interface FileJournal {
  /**
   * What is in the file; empty when there is none.
   * @throws ImageIoError `read-failed`, `not-a-file`; OptionError `bad-option` for one of more than 480 MiB
   */
  read(): Promise<string>;
  /**
   * Adds a line and a line break, in place of what stands behind the last line break. A file that is not there is made,
   * for its owner only.
   * @throws ImageIoError `write-failed`
   */
  append(line: string): Promise<void>;
}

/** The lines of the file `path`, which need not be there yet. Only one may append at a time. */
export function fileJournal(path: string): FileJournal {
  let hasWholeLines = false;
  return {
    read: async () => (await textOf(path))?.text ?? '',
    async append(line) {
      try {
        if (!hasWholeLines) await dropTornLine(path);
        hasWholeLines = true;
        await appendTo(path, `${line}\n`);
      } catch (cause) {
        if (cause instanceof ImageError) throw cause;
        throw cannotWrite(path, undefined, cause);
      }
    },
  };
}

/** The text of the file, and its length in bytes; undefined when there is none. */
async function textOf(path: string): Promise<{ readonly text: string; readonly length: number } | undefined> {
  try {
    const stats = await stat(path);
    if (!stats.isFile()) {
      throw new ImageIoError('not-a-file', `${path} is not a regular file.`, {
        hint: 'Name a file for the state of the upload; it is made if it is not there.',
      });
    }
    if (stats.size > MAX_LENGTH) {
      throw new OptionError('bad-option', `${path} has ${stats.size} bytes: it is no journal of an upload.`, {
        hint: 'Name another file, or one that is not there yet.',
      });
    }
    const bytes = await readFile(path);
    return { text: bytes.toString('utf8'), length: bytes.length };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof ImageError) throw cause;
    throw new ImageIoError('read-failed', `${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** Leaves a file that ends with a line break, or is empty. */
async function dropTornLine(path: string): Promise<void> {
  const found = await textOf(path);
  if (found === undefined) {
    const made = await open(path, 'a', 0o600);
    await made.close();
    await flushFolder(dirname(path));
    return;
  }
  const whole = Buffer.byteLength(found.text.slice(0, found.text.lastIndexOf('\n') + 1));
  if (whole !== found.length) await truncate(path, whole);
}

async function appendTo(path: string, text: string): Promise<void> {
  const handle = await open(path, 'a', 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
