/** Reads ZVHD2, from its final footer: the bitmap tells which blocks are stored, the index where. */

import { ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { CorruptImageError } from '../../errors.ts';
import type { Allocation } from '../../image/allocation.ts';
import type { Extent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageReader } from '../../image/reader.ts';
import type { ByteSource } from '../../io/source.ts';
import { PAGE, readFooter, type StreamFooter } from '../zvhd-stream/footer.ts';
import { payloadOf } from '../zvhd-stream/record.ts';
import { type RecordIndex, readBitmap, readIndex } from './block-index.ts';
import { requireMethod, requireSameImage, requireTables } from './requirements.ts';
import { findRecords } from './salvage.ts';
import { codecs, type Method, ZVHD2_COOKIE } from './structs.ts';

export async function openZvhd2(
  source: ByteSource,
  _options: object,
  { salvage = false, maxMetadataBytes }: OpenContext = {},
): Promise<ImageReader> {
  const opening = openByTables(source, maxMetadataBytes, salvage);
  if (!salvage) return opening;
  // The tables are at the end, where half a download has none; then the records tell.
  return opening.catch((error) => {
    if (error instanceof CorruptImageError) return openByRecords(source);
    throw error;
  });
}

/** Where the stored blocks are. */
interface Records {
  /** The record of a block; undefined for a block of zeros. */
  recordOf(block: number): { readonly fileOffset: number; readonly length: number } | undefined;
  /** The first block from `block` on that is not known to be zero; Infinity without one. */
  nextFrom(block: number): number;
}

/** @param readsIndex is the index read at once? Otherwise when the first extent is asked for: `info` does not need it */
async function openByTables(
  source: ByteSource,
  maxMetadataBytes: number | undefined,
  readsIndex: boolean,
): Promise<ImageReader> {
  const initial = await readFooter(source, 0, 'zvhd2', ZVHD2_COOKIE);
  const footerOffset = Math.max(PAGE, source.size - PAGE);
  const footer = await readFooter(source, footerOffset, 'zvhd2', ZVHD2_COOKIE);
  requireSameImage(initial, footer, footerOffset);
  const method = requireTables(footer, footerOffset, maxMetadataBytes);
  const stored = await readBitmap(source, footer);
  let index: Promise<RecordIndex> | undefined = readsIndex ? readIndex(source, footer, stored) : undefined;
  await index;
  return readerOf(footer, method, async () => {
    index ??= readIndex(source, footer, stored);
    const { recordOf } = await index;
    return {
      recordOf: (block) => (isStored(stored, block) ? recordOf(block) : undefined),
      nextFrom: (block) => nextStored(stored, block),
    };
  });
}

async function openByRecords(source: ByteSource): Promise<ImageReader> {
  const footer = await readFooter(source, 0, 'zvhd2', ZVHD2_COOKIE);
  const method = requireMethod(footer, 0);
  const { blockSize, maxBlockNumber } = footer;
  const found = await findRecords(source, { blockSize, blockCount: maxBlockNumber });
  const reader = readerOf(footer, method, async () => found);
  const message = 'The index was not found or not sound; the records were looked for from the front.';
  return { ...reader, notes: [{ code: 'no-index', message }] };
}

function readerOf(footer: StreamFooter, method: Method, readRecords: () => Promise<Records>): ImageReader {
  const { blockSize, currentSize: virtualSize } = footer;
  const codec = codecs[method];

  async function* extents(from: number, to: number): AsyncGenerator<Extent> {
    const { recordOf, nextFrom } = await readRecords();
    for (let guestOffset = from; guestOffset < to; ) {
      const block = guestOffset / blockSize;
      const record = recordOf(block);
      // Zeros are told at once: a size costs a hostile image nothing.
      const end = Math.min(to, record ? guestOffset + blockSize : nextFrom(block) * blockSize);
      if (record === undefined) {
        yield { kind: 'zero', guestOffset, length: end - guestOffset };
        guestOffset = end;
        continue;
      }
      yield {
        kind: 'packed',
        guestOffset,
        length: Math.min(blockSize, virtualSize - guestOffset),
        fileOffset: record.fileOffset,
        storedLength: record.length,
        unpackedLength: blockSize,
        codec,
      };
      guestOffset = end;
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

function nextStored(stored: Allocation, block: number): number {
  if (block >= stored.blockCount) return Number.POSITIVE_INFINITY;
  const rank = stored.rank(block);
  return rank < stored.storedCount ? stored.select(rank) : Number.POSITIVE_INFINITY;
}

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
