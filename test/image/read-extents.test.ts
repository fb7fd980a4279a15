import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { codecOf } from '../../src/codecs/index.ts';
import type { Extent } from '../../src/image/extent.ts';
import { diskImage } from '../../src/image/image.ts';
import type { ImageReader } from '../../src/image/reader.ts';
import { memorySource } from '../../src/io/memory.ts';
import { difference, noise } from '../support/guest-disks.ts';

const UNIT = 64 * 1024;

/** A disk of compressed blocks that stand in a file `gap` bytes apart, and the reads that it takes. */
function packedDisk(blockCount: number, gap: number) {
  const disk = noise(blockCount * UNIT, 9);
  const file = new Uint8Array(blockCount * (UNIT + 1024 + gap));
  const extents: Extent[] = [];
  let at = 0;
  for (let guestOffset = 0; guestOffset < disk.length; guestOffset += UNIT) {
    const room = file.subarray(at, at + codecOf('zstd').bound(UNIT));
    const storedLength = codecOf('zstd').pack(disk.subarray(guestOffset, guestOffset + UNIT), 1, room);
    const place = { fileOffset: at, storedLength, unpackedLength: UNIT, codec: 'zstd' } as const;
    extents.push({ kind: 'packed', guestOffset, length: UNIT, ...place });
    at += storedLength + gap;
  }
  const reads: number[] = [];
  const memory = memorySource(file);
  const source: typeof memory = {
    ...memory,
    read(into, fileOffset) {
      reads.push(into.length);
      return memory.read(into, fileOffset);
    },
  };
  const reader: ImageReader = {
    virtualSize: disk.length,
    unit: UNIT,
    details: { specific: {} },
    notes: [],
    async *extents(from, to) {
      yield* extents.filter(({ guestOffset }) => from <= guestOffset && guestOffset < to);
    },
  };
  return { disk, file, extents, reads, image: diskImage('test', source, reader) };
}

describe('reading compressed blocks', () => {
  it('reads neighbours at once, up to 4 MiB', async () => {
    const { disk, reads, image } = packedDisk(100, 0);
    const bytes = new Uint8Array(disk.length);
    await image.read(bytes, 0);
    expect(difference(bytes, disk)).toBeUndefined();
    expect(reads).toHaveLength(2);
    expect(Math.max(...reads)).toBeLessThanOrEqual(4 * MiB);
  });

  it('reads over a gap that is small, and not over a large one', async () => {
    for (const [gap, expected] of [
      [1000, 1],
      [UNIT, 1],
      [UNIT + 1, 10],
    ] as const) {
      const { disk, reads, image } = packedDisk(10, gap);
      const bytes = new Uint8Array(disk.length);
      await image.read(bytes, 0);
      expect(difference(bytes, disk)).toBeUndefined();
      expect(reads).toHaveLength(expected);
    }
  });

  it('decodes blocks of which only a part is asked for', async () => {
    const { disk, image } = packedDisk(3, 0);
    for (const [from, to] of [
      [1, 2],
      [UNIT - 1, UNIT + 1],
      [100, 3 * UNIT - 100],
      [UNIT, 2 * UNIT],
    ] as const) {
      const bytes = new Uint8Array(to - from);
      await image.read(bytes, from);
      expect(difference(bytes, disk.subarray(from, to))).toBeUndefined();
    }
  });

  it('says where a block is that does not decode', async () => {
    const { file, extents, image } = packedDisk(5, 0);
    const { fileOffset, guestOffset } = extents[3] as Extent & { fileOffset: number };
    file.fill(0xff, fileOffset, fileOffset + 100);
    const bytes = new Uint8Array(5 * UNIT);
    await expect(image.read(bytes, 0)).rejects.toMatchObject({
      name: 'CorruptImageError',
      code: 'bad-data',
      format: 'test',
      fileOffset,
      guestOffset,
      hint: expect.any(String),
    });
    await image.read(bytes.subarray(0, UNIT), 0); // the next read is none the worse for it
    expect(bytes.subarray(0, UNIT).some((byte) => byte !== 0)).toBe(true);
  });

  it('refuses blocks that are not in the file', async () => {
    const { extents, image } = packedDisk(2, 0);
    extents[1] = { ...extents[1], fileOffset: image.source.size - 10 } as Extent;
    await expect(image.read(new Uint8Array(UNIT), UNIT)).rejects.toMatchObject({ code: 'truncated' });
  });
});
