/**
 * The extents of opened images, per second: how long the metadata of a large disk takes. The images are laid out
 * by our own writers, and hold no data.
 */

import { GiB } from '../../src/binary/align.ts';
import { planShape, planTasks } from '../../src/conversion/plan.ts';
import { writableFormatNamed } from '../../src/formats/index.ts';
import { createAllocationBits, freezeAllocation, markStored } from '../../src/image/allocation.ts';
import type { DiskImage } from '../../src/image/image.ts';
import { layOut } from '../../src/image/layout.ts';
import { layoutSource } from '../../src/image/layout-source.ts';
import { resolveOptions } from '../../src/image/options.ts';
import { openImage } from '../../src/open.ts';
import { measure } from '../timing.ts';

const VIRTUAL_SIZE = 256 * GiB;

/** An image of which the blocks that `isStored` names are stored. */
async function imageOf(formatName: string, isStored: (block: number) => boolean): Promise<DiskImage> {
  const format = writableFormatNamed(formatName);
  const writer = format.writer(VIRTUAL_SIZE, resolveOptions(format.createOptions, {}, format.name), {});
  if (writer.kind !== 'layout') throw new Error(`${formatName} is not laid out`);
  const bits = createAllocationBits(VIRTUAL_SIZE / writer.unit);
  for (let block = 0; block < bits.blockCount; block++) {
    if (isStored(block)) markStored(bits, block);
  }
  const file = layOut(writer, freezeAllocation(bits), { uuid: new Uint8Array(16), timestamp: 0 });
  const guest = { virtualSize: VIRTUAL_SIZE, read: async (into: Uint8Array) => void into.fill(1) };
  return openImage(layoutSource(file, guest, formatName), { format: format.name });
}

async function countExtents(image: DiskImage): Promise<number> {
  let count = 0;
  for await (const _ of image.extents()) count += 1;
  return count;
}

async function countTasks(image: DiskImage): Promise<number> {
  let count = 0;
  for await (const _ of planTasks(image.extents(), planShape(image.unit, image.unit))) count += 1;
  return count;
}

for (const format of ['qcow2', 'vhd']) {
  for (const [name, isStored] of [
    ['every second block stored', (block: number) => block % 2 === 0],
    ['runs of 16 blocks', (block: number) => block % 32 < 16],
  ] as const) {
    const image = await imageOf(format, isStored);
    const amount = await countExtents(image);
    const label = `${format} of 256 GiB, ${name}`;
    await measure(`${label}: extents`, { amount, unit: 'extents' }, () => countExtents(image));
    await measure(`${label}: tasks`, { amount, unit: 'extents' }, () => countTasks(image));
  }
}
