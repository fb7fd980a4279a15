/**
 * Which of a VHD's sizes is the disk's? Virtual PC and older QEMU show the guest the product of the geometry;
 * everyone else the current size, and so does everyone where the geometry is the largest there is.
 */

import { type Geometry, geometrySize, MAX_GEOMETRY } from '../../binary/chs.ts';
import type { VhdFooter } from './structs.ts';

export type SizeRule = 'current' | 'chs';

const CHS_CREATORS = new Set(['vpc ', 'qemu']);

export const geometryOfFooter = ({ cylinders, heads, sectorsPerTrack }: VhdFooter): Geometry => ({
  cylinders,
  heads,
  sectorsPerTrack,
});

/** The rule that the creator of this footer goes by. */
export function sizeRuleOf(footer: VhdFooter): SizeRule {
  const isLargest = geometrySize(geometryOfFooter(footer)) === geometrySize(MAX_GEOMETRY);
  return CHS_CREATORS.has(footer.creatorApplication) && !isLargest ? 'chs' : 'current';
}

/** Bytes that the guest sees. */
export const virtualSizeBy = (rule: SizeRule, footer: VhdFooter): number =>
  rule === 'chs' ? geometrySize(geometryOfFooter(footer)) : footer.currentSize;
