/** Opens what makes the parts of a prepared output, on the thread that makes them. */

import { ceilDiv } from '../binary/align.ts';
import { writableFormatNamed } from '../formats/index.ts';
import { allocationBitsOver, freezeAllocation } from '../image/allocation.ts';
import { layOut } from '../image/layout.ts';
import type { Writer } from '../image/writer.ts';
import { type Packer, packer } from '../prepared/pack.ts';
import { type Renderer, renderer } from '../prepared/render.ts';
import { openJobImage } from './job-image.ts';
import type { PackJob, PreparedWriter, RenderJob } from './job-kinds.ts';

const writerOf = ({ format, virtualSize, options }: PreparedWriter): Writer =>
  writableFormatNamed(format).writer(virtualSize, options, {});

export async function openRenderer({ image, writer, identity, stored, slots }: RenderJob): Promise<Renderer> {
  const layout = writerOf(writer);
  if (layout.kind !== 'layout') throw new TypeError(`${writer.format} is no layout with these options`);
  const blockCount = ceilDiv(layout.virtualSize, layout.unit);
  const allocation = freezeAllocation(allocationBitsOver(stored, blockCount));
  return renderer(await openJobImage(image), layOut(layout, allocation, identity), slots);
}

export async function openPacker({ image, writer, slots }: PackJob): Promise<Packer> {
  const appender = writerOf(writer);
  if (appender.kind !== 'appender') throw new TypeError(`${writer.format} is no appender with these options`);
  return packer(await openJobImage(image), appender, slots);
}
