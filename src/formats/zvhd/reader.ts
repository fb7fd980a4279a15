/**
 * Reads ZVHD. There is no index: records are found by walking from one to the next, as far as asked, and a block is
 * decoded by decoding all stored blocks before it. So reading in guest order is cheap, and nothing else is.
 */

import { ceilDiv } from '../../binary/align.ts';
import { type ChainedInflate, openChainedInflate } from '../../codecs/chained-deflate.ts';
import { CorruptImageError } from '../../errors.ts';
import type { Extent, PackedExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageReader } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { PAGE, readFooter, type StreamFooter } from '../zvhd-stream/footer.ts';
import { payloadOf } from '../zvhd-stream/record.ts';
import { type RecordWalk, walkRecords } from './record-walk.ts';
import { ZVHD_BLOCK, ZVHD_COOKIE } from './structs.ts';

export async function openZvhd(
  source: ByteSource,
  _options: object,
  { salvage = false }: OpenContext = {},
): Promise<ImageReader> {
  const first = await readFooter(source, 0, 'zvhd', ZVHD_COOKIE);
  const lastOffset = Math.max(PAGE, source.size - PAGE);
  const last = await readFooter(source, lastOffset, 'zvhd', ZVHD_COOKIE).catch((error) => {
    if (salvage) return undefined;
    throw error;
  });
  if (last === undefined) return reader(source, first, source.size);
  if (first.checksum !== last.checksum) {
    throw new CorruptImageError('bad-header', 'The footers at the start and at the end differ.', {
      format: 'zvhd',
      fileOffset: lastOffset,
      hint: 'The file was put together from two images, or is damaged.',
    });
  }
  return reader(source, first, lastOffset);
}

/** @param dataEnd where the records end */
function reader(source: ByteSource, first: StreamFooter, dataEnd: number): ImageReader {
  const virtualSize = first.currentSize;
  const walk = walkRecords(source, {
    dataEnd,
    blockCount: ceilDiv(virtualSize, ZVHD_BLOCK),
  });
  return {
    virtualSize,
    unit: ZVHD_BLOCK,
    details: {
      clusterSize: ZVHD_BLOCK,
      compressed: true,
      originalSize: first.originalSize,
      specific: {
        'original-size': first.originalSize,
        'current-size': first.currentSize,
        'compression-type': 'zlib',
        'block-size': ZVHD_BLOCK,
        'creator-version': `${first.creatorVersion >>> 16}.${first.creatorVersion & 0xffff}`,
      },
    },
    notes: [],
    isSequential: true,
    extents: (from, to) => extents(walk, virtualSize, from, to),
    unpack: chainedUnpack(source, walk),
  };
}

async function* extents(
  walk: RecordWalk,
  virtualSize: number,
  from: number,
  to: number,
): AsyncGenerator<Extent> {
  let at = from;
  for await (const { block, fileOffset, length } of walk.from(from / ZVHD_BLOCK)) {
    const guestOffset = block * ZVHD_BLOCK;
    if (guestOffset >= to) break;
    if (at < guestOffset) yield { kind: 'zero', guestOffset: at, length: guestOffset - at };
    yield {
      kind: 'packed',
      guestOffset,
      length: Math.min(ZVHD_BLOCK, virtualSize - guestOffset),
      fileOffset,
      storedLength: length,
      unpackedLength: ZVHD_BLOCK,
      codec: 'deflate-chained',
    };
    at = Math.min(guestOffset + ZVHD_BLOCK, to);
  }
  if (at < to) yield { kind: 'zero', guestOffset: at, length: to - at };
}

/** Decodes records in order, going back to the first one when an earlier block is asked for. */
function chainedUnpack(source: ByteSource, walk: RecordWalk): NonNullable<ImageReader['unpack']> {
  let chain: ChainedInflate = openChainedInflate();
  let skipped: Uint8Array | undefined;
  /** Where decoding failed, and why: nothing behind it can be decoded, and nothing is tried twice. */
  let broken: { readonly position: number; readonly error: unknown } | undefined;

  return async (extent: PackedExtent, stored, into) => {
    const position = walk.positionOf(extent.fileOffset);
    if (broken && position >= broken.position) throw broken.error;
    if (position < chain.position) chain = openChainedInflate();
    try {
      while (chain.position < position) {
        const { block, fileOffset, length } = walk.at(chain.position);
        const record = await readBytes(source, fileOffset, length, 'A record');
        skipped ??= new Uint8Array(ZVHD_BLOCK);
        chain.next(payloadOf(record, block, place(fileOffset)), skipped);
      }
      chain.next(payloadOf(stored, extent.guestOffset / ZVHD_BLOCK, place(extent.fileOffset)), into);
    } catch (error) {
      if (error instanceof CorruptImageError) broken = { position: chain.position, error };
      chain = openChainedInflate();
      throw error;
    }
  };
}

const place = (fileOffset: number) => ({ format: 'zvhd', fileOffset, blockSize: ZVHD_BLOCK });
