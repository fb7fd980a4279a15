/** How much data an image may claim to hold. */

import { BudgetError } from '../errors.ts';
import type { Extent } from '../image/extent.ts';
import type { DiskImage } from '../image/image.ts';

/** Larger than zstd makes of any data but a repeated pattern. */
export const MAX_EXPANSION = 4000;

/** As much data comes of any image, however small its files are. */
const ALWAYS_ALLOWED = 2 ** 30;

/** Bytes of data that files of `filesSize` bytes may honestly hold. */
export const mostData = (filesSize: number, maxExpansion: number): number =>
  Math.max(ALWAYS_ALLOWED, filesSize * maxExpansion);

/**
 * Many references to one compressed block make terabytes of some kilobytes.
 * @throws BudgetError where more data comes of the image than its files can honestly hold
 */
export async function* withinExpansion(
  extents: AsyncIterable<Extent>,
  image: DiskImage,
  maxExpansion: number,
): AsyncGenerator<Extent> {
  const filesSize = image.sources.reduce((sum, { size }) => sum + size, 0);
  const most = mostData(filesSize, maxExpansion);
  let data = 0;
  for await (const extent of extents) {
    if (extent.kind !== 'zero') data += extent.length;
    if (data > most) {
      const message = `Files of ${filesSize} bytes claim more than ${most} bytes of data.`;
      throw new BudgetError('over-budget', message, {
        guestOffset: extent.guestOffset,
        hint: 'This is how images are made that fill disks. If it is what you expect: --max-expansion.',
      });
    }
    yield extent;
  }
}
