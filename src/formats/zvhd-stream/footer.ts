/**
 * The footer record of ZVHD and ZVHD2: 4096 bytes of which the first 512 are used, little-endian. ZVHD2 fills in
 * the fields from `zvhd2Version` on; in a ZVHD they are reserved. It stands at the start of the file too.
 */

import { alignUp, GiB } from '../../binary/align.ts';
import { onesComplementSum } from '../../binary/checksum.ts';
import { geometryOf } from '../../binary/chs.ts';
import { bits64, bytes, chars, type Decoded, struct, u8, u32, u64 } from '../../binary/struct.ts';
import { toSeconds2000 } from '../../binary/time.ts';
import { CorruptImageError, UnknownFormatError } from '../../errors.ts';
import type { Identity } from '../../image/identity.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';

export const streamFooter = struct('ZVHD footer', 512, 'little', {
  cookie: chars(0, 8), // 'stream' or 'z2strm'; the first 6 bytes count
  features: u32(8), // 2
  fileFormatVersion: u32(12), // 0x00010000
  dataOffset: bits64(16), // all ones
  timestamp: u32(24), // seconds since 2000-01-01T00:00:00Z
  creatorApplication: chars(28, 4), // 'tap\0'
  creatorVersion: u32(32), // 1.4; the older is 1.3
  creatorHostOs: u32(36),
  originalSize: u64(40), // bytes asked for, whole sectors
  currentSize: u64(48), // original size rounded up to a whole GiB: what the readers show
  geometry: u32(56), // cylinders << 16 | heads << 8 | sectors per track, of the original size
  diskType: u32(60), // 4
  checksum: u32(64), // ones' complement of the sum of the other 508 bytes
  uniqueId: bytes(68, 16),
  savedState: u8(84),
  hidden: u8(85),
  align64: u8(86),
  zvhd2Version: u8(87), // 1: with index and bitmap
  blockSize: u32(88), // bytes
  maxBlockNumber: u32(92), // blocks that the original size needs
  indexOffset: u64(96),
  bitmapOffset: u64(104),
  indexSize: u32(112), // bytes, all segments
  bitmapSize: u32(116),
  indexSegmentSize: u32(120),
  bitmapSegmentSize: u32(124),
  indexSegmentCount: u32(128),
  bitmapSegmentCount: u32(132),
  nonZeroBlockCount: u32(136),
  indexContainsZeroBlocks: u8(140), // 0: the index lists stored blocks only
  compressionMethod: u8(141), // 0 zlib, 1 zstd
  reserved: bytes(142, 370),
});
export type StreamFooter = Decoded<typeof streamFooter>;

/** Bytes that a footer takes in the file, and the unit to which records are aligned. */
export const PAGE = 4096;

/** The checksum is over the 512 bytes of the record. */
const checksumOf = (record: Uint8Array): number =>
  onesComplementSum(record.subarray(0, streamFooter.size), streamFooter.fields.checksum.at);

/** Creator versions 0.1 and 1.1 computed it before they set `hidden`. */
function isSound(record: Uint8Array, footer: StreamFooter): boolean {
  if (checksumOf(record) === footer.checksum) return true;
  const isOld = footer.creatorVersion === 0x00000001 || footer.creatorVersion === 0x00010001;
  if (footer.hidden === 0 || footer.creatorApplication !== 'tap\0' || !isOld) return false;
  const visible = record.slice();
  visible[streamFooter.fields.hidden.at] = 0;
  return checksumOf(visible) === footer.checksum;
}

export const hasCookie = (record: Uint8Array, cookie: string): boolean =>
  String.fromCharCode(...record.subarray(0, 6)) === cookie.slice(0, 6);

/** The record at `fileOffset`, its cookie and checksum and what both formats share having been checked. */
export async function readFooter(
  source: ByteSource,
  fileOffset: number,
  format: string,
  cookie: string,
): Promise<StreamFooter> {
  const record = await readBytes(source, fileOffset, PAGE, 'The footer');
  if (!hasCookie(record, cookie)) throw missingFooter(source, fileOffset, format, cookie);
  const footer = streamFooter.decode(record, fileOffset);
  const fail = (code: 'bad-checksum' | 'bad-header', message: string, at: number) =>
    new CorruptImageError(code, message, { format, fileOffset: fileOffset + at });
  const { at } = streamFooter.fields.checksum;
  if (!isSound(record, footer)) throw fail('bad-checksum', 'The checksum of the footer does not hold.', at);
  const { originalSize, currentSize } = footer;
  const areSizes = originalSize % 512 === 0 && currentSize % 512 === 0 && 0 < originalSize;
  if (!areSizes || originalSize > currentSize) {
    const message = `An original size of ${originalSize} in a current size of ${currentSize} bytes is not possible.`;
    throw fail('bad-header', message, streamFooter.fields.originalSize.at);
  }
  return footer;
}

function missingFooter(source: ByteSource, fileOffset: number, format: string, cookie: string): Error {
  if (fileOffset === 0) {
    return new UnknownFormatError('wrong-format', `${source.name} does not begin with '${cookie}'.`, {
      format,
      fileOffset,
      hint: 'It is of another format.',
    });
  }
  return new CorruptImageError('truncated', 'The last 4096 bytes of the file are not a footer.', {
    format,
    fileOffset,
    hint: 'The file is probably an incomplete download or copy: fetch it again.',
  });
}

/** The footer of a new image, with the ZVHD2 fields zero and no checksum yet. */
export function newFooter(cookie: string, originalSize: number, identity: Identity): StreamFooter {
  const { cylinders, heads, sectorsPerTrack } = geometryOf(originalSize);
  return {
    cookie,
    features: 2,
    fileFormatVersion: 0x00010000,
    dataOffset: 2n ** 64n - 1n,
    timestamp: toSeconds2000(identity.timestamp),
    creatorApplication: 'tap\0',
    creatorVersion: 0x00010004,
    creatorHostOs: 0,
    originalSize,
    currentSize: alignUp(originalSize, GiB),
    geometry: cylinders * 65536 + heads * 256 + sectorsPerTrack,
    diskType: 4,
    checksum: 0,
    uniqueId: identity.uuid,
    savedState: 0,
    hidden: 0,
    align64: 0,
    zvhd2Version: 0,
    blockSize: 0,
    maxBlockNumber: 0,
    indexOffset: 0,
    bitmapOffset: 0,
    indexSize: 0,
    bitmapSize: 0,
    indexSegmentSize: 0,
    bitmapSegmentSize: 0,
    indexSegmentCount: 0,
    bitmapSegmentCount: 0,
    nonZeroBlockCount: 0,
    indexContainsZeroBlocks: 0,
    compressionMethod: 0,
    reserved: new Uint8Array(370),
  };
}

/** The footer with its checksum filled in. */
export const sealed = (footer: StreamFooter): StreamFooter => ({
  ...footer,
  checksum: checksumOf(streamFooter.encode({ ...footer, checksum: 0 })),
});

/** The footer as a whole page. */
export function footerPage(footer: StreamFooter): Uint8Array {
  const page = new Uint8Array(PAGE);
  page.set(streamFooter.encode(footer));
  return page;
}
