/**
 * File map of a ZVHD2 image:
 *
 *     initial footer (4096)   index, bitmap and count are zero
 *     records                 each a multiple of 4096
 *     middle footer (4096)    the initial one with the count, its checksum left as it was
 *     index                   segments of 512 KiB, 16 bytes for each stored block
 *     bitmap                  segments of 4 KiB, a bit for each block
 *     final footer (4096)     everything filled in
 */

import { ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { type Appender, levelFor, type StoredBlocks } from '../../image/appender.ts';
import type { Identity } from '../../image/identity.ts';
import { footerPage, newFooter, PAGE, type StreamFooter, sealed } from '../zvhd-stream/footer.ts';
import { frameRecord, placeRecord, recordLength } from '../zvhd-stream/record.ts';
import { requireBlockNumbers } from '../zvhd-stream/size.ts';
import {
  BITMAP_SEGMENT,
  codecs,
  INDEX_SEGMENT,
  indexEntry,
  type Method,
  methods,
  SEGMENT_BLOCKS,
  ZVHD2_BLOCK,
  ZVHD2_COOKIE,
  ZVHD2_VERSION,
} from './structs.ts';

/** @throws OptionError `bad-size`; `bad-option` for a level that the method does not have */
export function zvhd2Appender(
  virtualSize: number,
  options: { readonly compressionType: Method; readonly compressionLevel: number | undefined },
): Appender {
  const blockCount = ceilDiv(virtualSize, ZVHD2_BLOCK);
  requireBlockNumbers('zvhd2', virtualSize, blockCount);
  const codec = codecs[options.compressionType];
  const initialFooter = (identity: Identity): StreamFooter =>
    sealed({
      ...newFooter(ZVHD2_COOKIE, virtualSize, identity),
      zvhd2Version: ZVHD2_VERSION,
      blockSize: ZVHD2_BLOCK,
      maxBlockNumber: blockCount,
      compressionMethod: methods[options.compressionType],
    });
  return {
    kind: 'appender',
    virtualSize,
    unit: ZVHD2_BLOCK,
    dataStart: PAGE,
    isHeadLast: false,
    codec,
    level: levelFor(codec, options.compressionLevel, 'zvhd2'),
    storesIncompressible: false,
    place: ({ end }, payloadLength) => placeRecord(end, payloadLength),
    frame: (block, payload) => frameRecord(block, [payload]),
    head: (_, identity) => footerPage(initialFooter(identity)),
    *tail(stored, identity) {
      const initial = initialFooter(identity);
      yield footerPage({ ...initial, nonZeroBlockCount: stored.storedCount });
      yield* indexSegments(stored);
      yield* bitmapSegments(stored);
      yield footerPage(finalFooter(initial, stored));
    },
    maxFileSize({ storedCount }) {
      const dataEnd = PAGE + storedCount * recordLength(codecOf(codec).bound(ZVHD2_BLOCK));
      const { bitmapOffset, bitmapSize } = indexPlace({ blockCount, storedCount, dataEnd });
      return bitmapOffset + bitmapSize + PAGE;
    },
  };
}

const finalFooter = (initial: StreamFooter, stored: StoredBlocks): StreamFooter =>
  sealed({ ...initial, ...indexPlace(stored), nonZeroBlockCount: stored.storedCount });

/** Where index and bitmap stand, behind the middle footer. */
function indexPlace({
  blockCount,
  storedCount,
  dataEnd,
}: Pick<StoredBlocks, 'blockCount' | 'storedCount' | 'dataEnd'>) {
  const indexSegmentCount = ceilDiv(storedCount, SEGMENT_BLOCKS);
  const bitmapSegmentCount = Math.max(1, ceilDiv(blockCount, SEGMENT_BLOCKS));
  const indexOffset = dataEnd + PAGE;
  const indexSize = indexSegmentCount * INDEX_SEGMENT;
  return {
    indexOffset,
    indexSize,
    indexSegmentSize: INDEX_SEGMENT,
    indexSegmentCount,
    bitmapOffset: indexOffset + indexSize,
    bitmapSize: bitmapSegmentCount * BITMAP_SEGMENT,
    bitmapSegmentSize: BITMAP_SEGMENT,
    bitmapSegmentCount,
  };
}

function* indexSegments(stored: StoredBlocks): Generator<Uint8Array> {
  let segment = new Uint8Array(INDEX_SEGMENT);
  let entries = 0;
  for (const { block, fileOffset, end } of stored.records()) {
    const entry = indexEntry.encode({ fileOffset, blockNumber: block, recordLength: end - fileOffset });
    segment.set(entry, entries * indexEntry.size);
    entries += 1;
    if (entries < SEGMENT_BLOCKS) continue;
    yield segment;
    segment = new Uint8Array(INDEX_SEGMENT);
    entries = 0;
  }
  if (entries > 0) yield segment;
}

function* bitmapSegments(stored: StoredBlocks): Generator<Uint8Array> {
  for (let first = 0; first < stored.blockCount; first += SEGMENT_BLOCKS) {
    const segment = new Uint8Array(BITMAP_SEGMENT);
    const last = Math.min(first + SEGMENT_BLOCKS, stored.blockCount);
    for (let block = first; block < last; block++) {
      const byte = (block - first) >> 3;
      if (stored.has(block)) segment[byte] = (segment[byte] as number) | (1 << (block & 7));
    }
    yield segment;
  }
}
