/** What the final footer of a ZVHD2 must say before anything that it describes is read. */

import { ceilDiv, isPowerOfTwo, MiB } from '../../binary/align.ts';
import { BudgetError, CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import { PAGE, type StreamFooter, streamFooter } from '../zvhd-stream/footer.ts';
import {
  BITMAP_SEGMENT,
  INDEX_SEGMENT,
  MAX_BLOCK,
  type Method,
  MIN_BLOCK,
  methods,
  SEGMENT_BLOCKS,
  ZVHD2_VERSION,
} from './structs.ts';

/** What index and bitmap may take in memory: the disk is then 32 TiB, if all of it is stored. */
const MAX_TABLE_BYTES = 256 * MiB;

/** @throws CorruptImageError `bad-header` when the footers at the two ends are not of one image */
export function requireSameImage(initial: StreamFooter, final: StreamFooter, finalOffset: number): void {
  const isSame = initial.uniqueId.every((byte, i) => byte === final.uniqueId[i]);
  if (isSame && initial.originalSize === final.originalSize) return;
  throw new CorruptImageError('bad-header', 'The footers at the start and at the end differ.', {
    format: 'zvhd2',
    fileOffset: finalOffset + streamFooter.fields.uniqueId.at,
    hint: 'The file was put together from two images, or is damaged.',
  });
}

type FieldName = keyof typeof streamFooter.fields;

const placeOf = (footerOffset: number, field: FieldName) => ({
  format: 'zvhd2',
  fileOffset: footerOffset + streamFooter.fields[field].at,
});

/** How the blocks are compressed, and that their size can be. @throws CorruptImageError, UnsupportedFeatureError */
export function requireMethod(footer: StreamFooter, footerOffset: number): Method {
  const at = (field: FieldName) => placeOf(footerOffset, field);
  if (footer.zvhd2Version !== ZVHD2_VERSION) {
    const message = `ZVHD2 version ${footer.zvhd2Version}, only ${ZVHD2_VERSION} is known.`;
    const hint = footer.zvhd2Version === 0 ? 'Images of version 0 have no index.' : undefined;
    throw new UnsupportedFeatureError('unsupported-version', message, { ...at('zvhd2Version'), hint });
  }
  const method = (Object.keys(methods) as Method[]).find(
    (name) => methods[name] === footer.compressionMethod,
  );
  if (method === undefined) {
    const message = `Compression method ${footer.compressionMethod} is neither zlib (0) nor zstd (1).`;
    throw new UnsupportedFeatureError('unsupported-feature', message, at('compressionMethod'));
  }
  const { blockSize, maxBlockNumber, originalSize, currentSize } = footer;
  if (!isPowerOfTwo(blockSize) || blockSize < MIN_BLOCK || blockSize > MAX_BLOCK) {
    const message = `Block size ${blockSize} is not a power of two from 1 to 32 MiB.`;
    throw new CorruptImageError('bad-header', message, at('blockSize'));
  }
  const [needed, most] = [ceilDiv(originalSize, blockSize), ceilDiv(currentSize, blockSize)];
  if (maxBlockNumber < needed || maxBlockNumber > most) {
    const message = `${maxBlockNumber} blocks of ${blockSize} bytes do not make a disk of ${originalSize} bytes.`;
    throw new CorruptImageError('bad-table', message, at('maxBlockNumber'));
  }
  return method;
}

/** Returns how the blocks are compressed. @throws CorruptImageError, UnsupportedFeatureError, BudgetError */
export function requireTables(
  footer: StreamFooter,
  footerOffset: number,
  maxBytes = MAX_TABLE_BYTES,
): Method {
  const method = requireMethod(footer, footerOffset);
  const at = (field: FieldName) => placeOf(footerOffset, field);
  const bad = (code: 'bad-header' | 'bad-table' | 'truncated', field: FieldName, message: string) =>
    new CorruptImageError(code, message, at(field));

  const { maxBlockNumber, nonZeroBlockCount } = footer;
  if (nonZeroBlockCount > maxBlockNumber) {
    const message = `${nonZeroBlockCount} stored blocks are more than the ${maxBlockNumber} of the disk.`;
    throw bad('bad-table', 'nonZeroBlockCount', message);
  }
  if (footer.indexContainsZeroBlocks > 1) {
    const message = `'Index contains zero blocks' is ${footer.indexContainsZeroBlocks}, neither 0 nor 1.`;
    throw bad('bad-header', 'indexContainsZeroBlocks', message);
  }

  const entries = footer.indexContainsZeroBlocks === 1 ? maxBlockNumber : nonZeroBlockCount;
  const requireSegments = (
    table: 'index' | 'bitmap',
    { size, segmentSize, count }: { size: number; segmentSize: number; count: number },
    wanted: { segmentSize: number; count: number },
  ) => {
    if (segmentSize !== wanted.segmentSize) {
      const message = `Segments of ${segmentSize} bytes in the ${table}, expected ${wanted.segmentSize}.`;
      throw bad('bad-table', `${table}SegmentSize`, message);
    }
    if (count !== wanted.count) {
      const message = `${count} segments in the ${table}, expected ${wanted.count}.`;
      throw bad('bad-table', `${table}SegmentCount`, message);
    }
    if (size !== count * segmentSize) {
      const message = `The ${table} has ${size} bytes, expected ${count * segmentSize}.`;
      throw bad('bad-table', `${table}Size`, message);
    }
  };
  requireSegments(
    'index',
    { size: footer.indexSize, segmentSize: footer.indexSegmentSize, count: footer.indexSegmentCount },
    { segmentSize: INDEX_SEGMENT, count: ceilDiv(entries, SEGMENT_BLOCKS) },
  );
  requireSegments(
    'bitmap',
    { size: footer.bitmapSize, segmentSize: footer.bitmapSegmentSize, count: footer.bitmapSegmentCount },
    { segmentSize: BITMAP_SEGMENT, count: Math.max(1, ceilDiv(maxBlockNumber, SEGMENT_BLOCKS)) },
  );

  const { indexOffset, indexSize, bitmapOffset, bitmapSize } = footer;
  for (const [field, start, size] of [
    ['indexOffset', indexOffset, indexSize],
    ['bitmapOffset', bitmapOffset, bitmapSize],
  ] as const) {
    if (start < PAGE || start + size > footerOffset) {
      const message = `[${start}, ${start + size}) lies outside the file, or on its footers.`;
      throw bad('truncated', field, message);
    }
  }
  if (indexOffset < bitmapOffset + bitmapSize && bitmapOffset < indexOffset + indexSize) {
    throw bad('bad-table', 'bitmapOffset', 'The index and the bitmap share bytes.');
  }
  const most = Math.min(maxBytes, MAX_TABLE_BYTES);
  if (indexSize + bitmapSize > most) {
    const message = `The index and the bitmap take ${indexSize + bitmapSize} bytes.`;
    throw new BudgetError('over-budget', message, {
      ...at('indexSize'),
      hint: `At most ${most} bytes are read; --max-metadata sets less or, up to ${MAX_TABLE_BYTES}, more.`,
    });
  }
  return method;
}
