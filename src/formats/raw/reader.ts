/** A raw image: one extent, or the data between the holes of a sparse file. */

import { flatExtents } from '../../image/extent.ts';
import type { ImageReader } from '../../image/reader.ts';
import type { ByteSource } from '../../io/source.ts';

export const openRaw = (source: ByteSource): ImageReader => ({
  virtualSize: source.size,
  unit: 1,
  details: { specific: {} },
  notes: [],
  extents: async function* (from, to) {
    yield* flatExtents(source, from, to);
  },
});
