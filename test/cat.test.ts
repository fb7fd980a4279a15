/** guestChunks(): any range of a disk, in chunks, whatever the format. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MiB } from '../src/binary/align.ts';
import { guestChunks, openImage } from '../src/index.ts';
import type { ByteSource } from '../src/io/source.ts';
import { variations } from './contracts/variations.ts';
import { difference, guestDiskWithRanges } from './support/guest-disks.ts';
import { collected, writeImage } from './support/memory-images.ts';

describe('guestChunks', () => {
  it('gives every range of the disk, in every format', async () => {
    await fc.assert(
      fc.asyncProperty(
        guestDiskWithRanges,
        fc.constantFrom(...variations),
        async ([{ bytes }, ranges], variation) => {
          const { bytes: file } = await writeImage(variation, bytes);
          await using image = await openImage(file, { format: variation.format.name });
          for (const { from, to } of ranges) {
            const chunks = await collected(guestChunks(image, { start: from, length: to - from }));
            expect(chunks.every(({ length }) => length > 0)).toBe(true);
            expect(difference(Buffer.concat(chunks), bytes.subarray(from, to))).toBeUndefined();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads to the end where no length is given', async () => {
    await using image = await openImage(new Uint8Array(3 * MiB + 5), { format: 'raw' });
    const lengths = async (start?: number) =>
      (await collected(guestChunks(image, start === undefined ? {} : { start }))).map(({ length }) => length);
    expect(await lengths()).toEqual([MiB, MiB, MiB, 5]);
    expect(await lengths(MiB - 1)).toEqual([1, MiB, MiB, 5]);
    expect(await lengths(3 * MiB + 5)).toEqual([]);
  });

  it('refuses what is not on the disk, at once', async () => {
    await using image = await openImage(new Uint8Array(1000), { format: 'raw' });
    for (const range of [
      { start: 1001 },
      { start: 1001, length: 0 },
      { start: 500, length: 501 },
      { start: -1 },
      { length: -1 },
      { start: 0.5 },
      { length: Number.NaN },
    ]) {
      expect(() => guestChunks(image, range)).toThrow(expect.objectContaining({ code: 'bad-size' }));
    }
  });

  it('reads nothing before it is asked for', async () => {
    let reads = 0;
    const source: ByteSource = {
      name: 'counted',
      size: 100 * MiB,
      async read(into) {
        reads += 1;
        into.fill(0);
      },
      close: async () => {},
    };
    await using image = await openImage(source, { format: 'raw' });
    for await (const chunk of guestChunks(image)) {
      expect([chunk.length, reads]).toEqual([MiB, 1]);
      break;
    }
    expect(reads).toBe(1);
  });
});
