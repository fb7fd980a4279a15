/** A target that takes its time holds up the reading: what is read and not yet written is bounded. */

import { describe, expect, it, vi } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { defaults } from '../contracts/variations.ts';
import { watchedSource } from '../support/faults.ts';
import { diskOf } from '../support/guest-disks.ts';
import { pause } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const books = vi.hoisted(() => ({ written: 0 }));

vi.mock(import('../../src/io/file-target.ts'), async (original) => {
  const module = await original();
  return {
    ...module,
    openFileTarget(path) {
      const target = module.openFileTarget(path);
      return {
        ...target,
        async write(parts, fileOffset) {
          await pause(10);
          await target.write(parts, fileOffset);
          books.written += parts.reduce((sum, { length }) => sum + length, 0);
        },
      };
    },
  };
});

const path = tempFolder();
const SIZE = 40 * MiB;
/** Noise: as much is written as is read. */
const disk = diskOf(SIZE, [{ end: SIZE, kind: 'noise', seed: 1 }]).bytes;

describe.each(defaults)('to $name', ({ format }) => {
  it('no more than a task is under way', async () => {
    books.written = 0;
    let read = 0;
    let most = 0;
    const source = watchedSource(disk, () => {});
    const counted = {
      ...source,
      async read(into: Uint8Array, fileOffset: number) {
        read += into.length;
        most = Math.max(most, read - books.written);
        await source.read(into, fileOffset);
      },
    };
    await convert(counted, path('output'), {
      format: format.name,
      input: { format: 'raw' },
    } as ConvertOptions);
    expect(read).toBeGreaterThanOrEqual(SIZE);
    expect(most).toBeLessThanOrEqual(4 * MiB + MiB);
  });
});
