/** Looking here and there in an image that is one compressed stream: what is decoded has a limit. */

import { expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { formatNamed } from '../../src/formats/index.ts';
import { openImage } from '../../src/index.ts';
import { inspectDisk } from '../../src/inspect/inspect-disk.ts';
import { sequentialRead } from '../../src/inspect/sequential.ts';
import { writeImage } from '../support/memory-images.ts';

const UNIT = 2 * MiB;
const UNITS = 40;

/** A ZVHD image of a disk whose units are filled with their number, and how much of it was read. */
async function zvhd(disk: Uint8Array) {
  const { bytes } = await writeImage({ format: formatNamed('zvhd') as never, options: {} }, disk);
  return openImage(bytes);
}

function numbered(): Uint8Array {
  const disk = new Uint8Array(UNITS * UNIT);
  for (let unit = 0; unit < UNITS; unit += 2) disk.fill(unit + 1, unit * UNIT, (unit + 1) * UNIT);
  return disk;
}

it('gives the bytes of the disk in any order, and refuses what lies too far', async () => {
  const disk = numbered();
  await using image = await zvhd(disk);
  const read = sequentialRead(image, 8 * 6 * UNIT); // one read may decode six units
  const at = async (offset: number, length: number) => {
    const into = new Uint8Array(length);
    await read(into, offset);
    return into;
  };
  for (const offset of [0, 8 * UNIT + 5, 2 * UNIT - 100, 3 * UNIT, 4 * UNIT - 7])
    expect(await at(offset, 300)).toEqual(disk.subarray(offset, offset + 300));
  // Zeros are no data: they are told from anywhere.
  expect(await at(39 * UNIT, 100)).toEqual(new Uint8Array(100));
  await expect(at(38 * UNIT, 100)).rejects.toMatchObject({ code: 'over-budget' });
  expect(await at(10 * UNIT, 10)).toEqual(disk.subarray(10 * UNIT, 10 * UNIT + 10));
});

it('all that goes back to the start is counted', async () => {
  await using image = await zvhd(numbered());
  const read = sequentialRead(image, 8 * 6 * UNIT);
  const decode = async () => {
    // More units than are kept.
    for (let unit = 0; unit < UNITS; unit++) await read(new Uint8Array(1), unit * UNIT);
  };
  await decode();
  await expect(decode().then(decode).then(decode)).rejects.toMatchObject({ code: 'over-budget' });
});

it('a table is told when the end of the disk lies too far', async () => {
  const disk = numbered();
  disk.fill(0, 0, UNIT);
  disk.set([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0], 446); // from sector 2048 on, 2048 of them
  disk.set([0x55, 0xaa], 510);
  disk.fill(7, 39 * UNIT);
  await using image = await zvhd(disk);
  const contents = await inspectDisk(image, { maxReadBytes: 300 * 1024 });
  expect(contents.table).toBe('mbr');
  expect(contents.partitions).toMatchObject([{ start: MiB, end: 2 * MiB }]);
});
