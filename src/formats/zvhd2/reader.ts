/** Reads ZVHD2, from its final footer: the bitmap tells which blocks are stored, the index where. */

import { ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import type { Allocation } from '../../image/allocation.ts';
import type { Extent } from '../../image/extent.ts';
import type { ImageReader } from '../../image/reader.ts';
import type { ByteSource } from '../../io/source.ts';
import { PAGE, readFooter, type StreamFooter } from '../zvhd-stream/footer.ts';
import { payloadOf } from '../zvhd-stream/record.ts';
import { type RecordIndex, readBitmap, readIndex } from './block-index.ts';
import { requireSameImage, requireTables } from './requirements.ts';
import { codecs, type Method, ZVHD2_COOKIE } from './structs.ts';

export async function openZvhd2(source: ByteSource): Promise<ImageReader> {
  const initial = await readFooter(source, 0, 'zvhd2', ZVHD2_COOKIE);
  const footerOffset = Math.max(PAGE, source.size - PAGE);
  const footer = await readFooter(source, footerOffset, 'zvhd2', ZVHD2_COOKIE);
  requireSameImage(initial, footer, footerOffset);
  const method = requireTables(footer, footerOffset);
  const stored = await readBitmap(source, footer);
  const { blockSize, currentSize: virtualSize } = footer;
  /** Read when the first extent is asked for: `info` does not need it. */
  let index: Promise<RecordIndex> | undefined;
  const codec = codecs[method];

  async function* extents(from: number, to: number): AsyncGenerator<Extent> {
    index ??= readIndex(source, footer, stored);
    const { recordOf } = await index;
    for (let guestOffset = from; guestOffset < to; guestOffset += blockSize) {
      const block = guestOffset / blockSize;
      const length = Math.min(blockSize, virtualSize - guestOffset);
      if (!isStored(stored, block)) {
        yield { kind: 'zero', guestOffset, length };
        continue;
      }
      const { fileOffset, length: storedLength } = recordOf(block);
      yield {
        kind: 'packed',
        guestOffset,
        length,
        fileOffset,
        storedLength,
        unpackedLength: blockSize,
        codec,
      };
    }
  }

  return {
    virtualSize,
    unit: blockSize,
    details: {
      clusterSize: blockSize,
      compressed: true,
      originalSize: footer.originalSize,
      specific: specific(footer, method),
    },
    notes: [],
    extents,
    async unpack(extent, record, into) {
      const block = extent.guestOffset / blockSize;
      const payload = payloadOf(record, block, { format: 'zvhd2', fileOffset: extent.fileOffset, blockSize });
      codecOf(codec).unpack(payload, into);
    },
  };
}

/** Blocks past the last one of the original size are zero. */
const isStored = (stored: Allocation, block: number): boolean =>
  block < stored.blockCount && stored.has(block);

const specific = (footer: StreamFooter, method: Method) => ({
  'original-size': footer.originalSize,
  'current-size': footer.currentSize,
  'compression-type': method,
  'block-size': footer.blockSize,
  'stored-blocks': footer.nonZeroBlockCount,
  'total-blocks': ceilDiv(footer.originalSize, footer.blockSize),
  'index-contains-zero-blocks': footer.indexContainsZeroBlocks === 1,
  'creator-version': `${footer.creatorVersion >>> 16}.${footer.creatorVersion & 0xffff}`,
});
