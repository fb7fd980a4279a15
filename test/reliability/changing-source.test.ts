/** A source that is pulled away, or put into another's place, while it is read: an error, and never a mixture. */

import { readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import type { Progress } from '../../src/conversion/run.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { writableFormatNamed } from '../../src/formats/index.ts';
import { openFileSource } from '../../src/io/file-source.ts';
import type { ByteSource } from '../../src/io/source.ts';
import { rejectionOf } from '../support/faults.ts';
import { diskOf } from '../support/guest-disks.ts';
import { type Recipe, writeImage } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source');

const recipe: Recipe = { format: writableFormatNamed('qcow2'), options: {} };
const imageOf = async (seed: number): Promise<Uint8Array> =>
  (await writeImage(recipe, diskOf(20 * MiB, [{ end: 20 * MiB, kind: 'repeat', seed }]).bytes)).bytes;
/** Two images of the same length, on which all metadata agrees. */
const [first, second] = [await imageOf(1), await imageOf(2)];

const changes = {
  'is truncated': () => truncateSync(source, 5 * MiB),
  'is emptied': () => truncateSync(source, 0),
  'is overwritten in place': () => writeFileSync(source, second),
  'is replaced by another file of the same length': () => {
    writeFileSync(path('other'), second);
    renameSync(path('other'), source);
  },
  'is removed': () => rmSync(source),
};

const begin = (threads: number, options: Partial<ConvertOptions>) =>
  convert(source, path('output'), { format: 'raw', threads, ...options } as ConvertOptions);

/** Calls `action` the first time that it is so far. */
function once(isSoFar: (progress: Progress) => boolean, action: () => void): (progress: Progress) => void {
  let isDone = false;
  return (progress) => {
    if (isDone || !isSoFar(progress)) return;
    isDone = true;
    action();
  };
}

/** With `after` called after each read of the main thread: all that it reads is metadata, before threads start. */
async function beginWatched(threads: number, after: (read: number) => void) {
  const file = await openFileSource(source);
  let reads = 0;
  const watched: ByteSource = {
    ...file,
    async read(into, fileOffset) {
      await file.read(into, fileOffset);
      reads += 1;
      after(reads);
    },
  };
  const error = await rejectionOf(
    convert(watched, path('output'), { format: 'raw', threads, input: { format: 'qcow2' } }),
  );
  if (error === undefined) rmSync(path('output'));
  return { error, reads };
}

const outputs = (): string[] => readdirSync(path('')).filter((name) => name.includes('output'));

beforeEach(() => writeFileSync(source, first));

describe.each([1, 2])('on %d threads, a source that', (threads) => {
  it.each(Object.entries(changes))('%s in the middle is an error', async (_, change) => {
    const failed = begin(threads, { onProgress: once(({ doneBytes }) => doneBytes >= 4 * MiB, change) });
    await expect(failed).rejects.toMatchObject({
      code: expect.toBeOneOf(['source-changed', 'truncated']),
      hint: expect.any(String),
    });
    expect(outputs()).toEqual([]);
  });

  it.each(Object.entries(changes))('%s when all was read is an error', async (_, change) => {
    const failed = begin(threads, {
      onProgress: once(({ doneBytes, totalBytes }) => doneBytes === totalBytes, change),
    });
    await expect(failed).rejects.toMatchObject({ code: 'source-changed' });
    expect(outputs()).toEqual([]);
  });

  it.each(Object.entries(changes))('%s before threads open it is an error', async (_, change) => {
    const { reads } = await beginWatched(threads, () => {});
    expect(reads).toBeGreaterThan(2);
    for (let n = 1; n <= reads; n++) {
      writeFileSync(source, first);
      const { error } = await beginWatched(threads, (read) => {
        if (read === n) change();
      });
      expect(error, `read ${n}`).toMatchObject({
        code: expect.toBeOneOf(['source-changed', 'truncated']),
        hint: expect.any(String),
      });
      expect(outputs(), `read ${n}`).toEqual([]);
      rmSync(source, { force: true });
    }
  });
});
