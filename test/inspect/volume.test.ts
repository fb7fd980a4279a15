/** The window on a disk: pages that are kept, and a limit to what is read. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openImage } from '../../src/index.ts';
import { diskVolume, volumePart } from '../../src/inspect/volume.ts';

const DISK = Uint8Array.from({ length: 1_000_192 }, (_, index) => (index * 7 + (index >> 9)) % 256);
const unlimited = { maxReadBytes: Number.POSITIVE_INFINITY, signal: undefined };
const open = () => openImage(DISK, { format: 'raw' });

describe('a window on a disk', () => {
  it('has the bytes of the disk, wherever they are asked for', async () => {
    await using image = await open();
    const volume = diskVolume(image, unlimited);
    const part = volumePart(volume, 12_345, 900_000);
    expect(part.size).toBe(887_655);
    await fc.assert(
      fc.asyncProperty(fc.nat(part.size), fc.nat(100_000), async (offset, wanted) => {
        const length = Math.min(wanted, part.size - offset);
        const bytes = await part.read(offset, length);
        expect(Buffer.compare(bytes, DISK.subarray(12_345 + offset, 12_345 + offset + length))).toBe(0);
      }),
    );
    expect(await volume.read(DISK.length - 3, 3)).toEqual(DISK.slice(-3));
    expect(await volume.read(DISK.length, 0)).toEqual(new Uint8Array());
  });

  it('reads the same page once', async () => {
    await using image = await open();
    const volume = diskVolume(image, unlimited);
    for (let i = 0; i < 100; i++) await volume.read(i * 40, 40);
    expect(volume.readBytes).toBe(4096);
    await Promise.all([volume.read(8192, 10), volume.read(12_288, 10)]);
    expect(volume.readBytes).toBe(3 * 4096);
    await volume.read(0, 20_480);
    expect(volume.readBytes).toBe(5 * 4096);
  });

  it('ends where its budget ends', async () => {
    await using image = await open();
    const volume = diskVolume(image, { maxReadBytes: 10_000, signal: undefined });
    await volume.read(0, 8192);
    await expect(volume.read(8192, 1)).rejects.toMatchObject({ code: 'over-budget', name: 'BudgetError' });
    await expect(volume.read(0, 500_000)).rejects.toMatchObject({ code: 'over-budget' });
    expect(await volume.read(100, 5)).toEqual(DISK.slice(100, 105));
    expect(volume.readBytes).toBe(8192);
  });

  it('has nothing outside of it', async () => {
    await using image = await open();
    const volume = diskVolume(image, unlimited);
    for (const [offset, length] of [
      [-1, 2],
      [DISK.length, 1],
      [0.5, 1],
      [Number.NaN, 1],
      [0, -1],
      [2 ** 60, 4],
    ] as const)
      await expect(volume.read(offset, length)).rejects.toMatchObject({ code: 'bad-reference' });
    const part = volumePart(volume, 1000, 2000);
    await expect(part.read(999, 2)).rejects.toMatchObject({ code: 'bad-reference' });
    expect(volumePart(volume, 2_000_000, 3_000_000).size).toBe(0);
  });

  it('stops when it is told to', async () => {
    await using image = await open();
    const stop = new AbortController();
    const volume = diskVolume(image, { ...unlimited, signal: stop.signal });
    await volume.read(0, 10);
    stop.abort();
    await expect(volume.read(100_000, 10)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
