/** The allocation tables of FAT: which clusters a file has. */

import { CorruptImageError } from '../../errors.ts';
import type { Volume } from '../volume.ts';
import type { FatLayout } from './boot-sector.ts';

/** From these on, an entry ends a chain (the value before marks a bad cluster). */
const ENDS = { fat12: 0xff8, fat16: 0xfff8, fat32: 0xffffff8 } as const;

/**
 * The clusters of a chain in order, at most `most`: as many as a file of its size has.
 * @throws CorruptImageError `bad-reference` when the chain leads out of the volume
 */
export async function* clustersOf(
  volume: Volume,
  layout: FatLayout,
  first: number,
  most: number,
): AsyncGenerator<number> {
  // A chain that leads in a circle is longer than there are clusters.
  const limit = Math.min(most, layout.clusterCount);
  let cluster = first;
  for (let count = 0; count < limit; count++) {
    if (cluster < 2 || cluster >= layout.clusterCount + 2) throw badCluster(layout, cluster);
    yield cluster;
    if (count + 1 === limit) return;
    cluster = await nextCluster(volume, layout, cluster);
    if (cluster >= ENDS[layout.kind]) return;
  }
}

export const clusterAt = ({ dataAt, clusterSize }: FatLayout, cluster: number): number =>
  dataAt + (cluster - 2) * clusterSize;

async function nextCluster(volume: Volume, layout: FatLayout, cluster: number): Promise<number> {
  const { kind, fatAt, fatLength } = layout;
  const width = kind === 'fat32' ? 4 : 2;
  const at = kind === 'fat12' ? Math.floor(cluster * 1.5) : cluster * width;
  if (at + width > fatLength) throw badCluster(layout, cluster);
  const bytes = await volume.read(fatAt + at, width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, width);
  if (kind === 'fat32') return view.getUint32(0, true) & 0x0fffffff;
  const entry = view.getUint16(0, true);
  if (kind === 'fat16') return entry;
  return cluster % 2 === 0 ? entry & 0xfff : entry >>> 4;
}

const badCluster = ({ kind, clusterCount }: FatLayout, cluster: number): CorruptImageError =>
  new CorruptImageError(
    'bad-reference',
    `Cluster ${cluster} is referred to in a ${kind} filesystem that has ${clusterCount} of them.`,
    { format: kind },
  );
