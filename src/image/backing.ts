/** Images that build on others: where one says nothing, the one below shows; past the end of that one, zeros. */

import { type Extent, guestEnd, type OwnExtent, visiblePart } from './extent.ts';

/** The extents of an image, those of its backing image where that shows. */
export interface ExtentSource {
  readonly virtualSize: number;
  extents(from: number, to: number): AsyncIterable<Extent>;
}

/** Replaces what an image leaves to its backing image by what that one says, one file deeper. */
export async function* throughBacking(
  own: AsyncIterable<OwnExtent>,
  backing: ExtentSource | undefined,
): AsyncGenerator<Extent> {
  for await (const extent of own) {
    if (extent.kind !== 'backing') {
      yield extent;
      continue;
    }
    const from = extent.guestOffset;
    const to = guestEnd(extent);
    const middle = Math.max(from, Math.min(to, backing?.virtualSize ?? 0));
    if (backing && from < middle) {
      for await (const deeper of backing.extents(from, middle)) {
        yield { ...visiblePart(deeper, from, middle), depth: (deeper.depth ?? 0) + 1 };
      }
    }
    if (middle < to) yield { kind: 'zero', guestOffset: middle, length: to - middle };
  }
}
