/** Reads and judges the header of a VDI. */

import { Buffer } from 'node:buffer';
import { ceilDiv, isPowerOfTwo, SECTOR } from '../../binary/align.ts';
import {
  CorruptImageError,
  type ErrorCode,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import {
  ImageType,
  MAX_BLOCK_SIZE,
  MIN_BLOCK_SIZE,
  MIN_HEADER_SIZE,
  SIGNATURE,
  SIGNATURE_OFFSET,
  type VdiHeader,
  vdiHeader,
} from './structs.ts';

/**
 * @throws UnknownFormatError `wrong-format`, UnsupportedFeatureError `unsupported-version`, CorruptImageError `truncated`,
 * `bad-header`
 */
export async function readHeader(source: ByteSource): Promise<VdiHeader> {
  const bytes = await readBytes(source, 0, Math.min(vdiHeader.size, source.size), 'The header');
  if (bytes.length < SIGNATURE_OFFSET + 4 || !hasSignature(bytes)) {
    throw new UnknownFormatError('wrong-format', `${source.name} is no VDI.`, {
      format: 'vdi',
      fileOffset: SIGNATURE_OFFSET,
      hint: 'Leave -f out: the bytes tell the format.',
    });
  }
  const header = vdiHeader.decode(bytes, 0);
  requireVersion(header);
  requireShape(header);
  return header;
}

export const hasSignature = (head: Uint8Array): boolean =>
  head.length >= SIGNATURE_OFFSET + 4 &&
  new DataView(head.buffer, head.byteOffset).getUint32(SIGNATURE_OFFSET, true) === SIGNATURE;

function requireVersion({ version }: VdiHeader): void {
  if (version >>> 16 === 1 && (version & 0xffff) === 1) return;
  throw new UnsupportedFeatureError(
    'unsupported-version',
    `This is VDI version ${version >>> 16}.${version & 0xffff}.`,
    { format: 'vdi', fileOffset: vdiHeader.fields.version.at, hint: 'Only version 1.1 is read.' },
  );
}

/** Everything that the block map and the disk depend on. */
function requireShape(header: VdiHeader): void {
  const { headerSize, imageType, sectorSize, blockSize, blockExtra, blockCount, diskSize } = header;
  require(headerSize >=
    MIN_HEADER_SIZE, 'headerSize', `it has ${headerSize} bytes, fewer than ${MIN_HEADER_SIZE}`);
  require(imageType === ImageType.dynamic ||
    imageType === ImageType.static ||
    imageType ===
      ImageType.differencing, 'imageType', `its type ${imageType} is none of dynamic (1), static (2) and differencing (4)`);
  require(sectorSize === SECTOR, 'sectorSize', `it has sectors of ${sectorSize} bytes, expected ${SECTOR}`);
  require(isPowerOfTwo(blockSize) &&
    blockSize >= MIN_BLOCK_SIZE &&
    blockSize <=
      MAX_BLOCK_SIZE, 'blockSize', `its blocks have ${blockSize} bytes, no power of two from 64 KiB to 256 MiB`);
  require(blockExtra % SECTOR === 0 &&
    blockExtra <=
      MAX_BLOCK_SIZE, 'blockExtra', `there are ${blockExtra} bytes before each block, expected whole sectors`);
  require(diskSize > 0, 'diskSize', 'the disk has no bytes');
  require(ceilDiv(diskSize, blockSize) <=
    blockCount, 'blockCount', `a disk of ${diskSize} bytes has more than ${blockCount} blocks of ${blockSize}`);
  for (const key of ['mapOffset', 'dataOffset'] as const) {
    require(header[key] % SECTOR === 0 &&
      header[key] >= vdiHeader.size, key, `${header[key]} is no sector behind the header`, 'bad-reference');
  }
}

function require(
  holds: boolean,
  field: keyof VdiHeader,
  problem: string,
  code: ErrorCode = 'bad-header',
): asserts holds {
  if (holds) return;
  throw new CorruptImageError(code, `The header is wrong: ${problem}.`, {
    format: 'vdi',
    fileOffset: vdiHeader.fields[field].at,
  });
}

/** A UUID as VirtualBox prints it: the first three parts are little-endian in the file. */
export function uuidText(uuid: Uint8Array): string {
  const hex = (from: number, to: number): string => Buffer.from(uuid.subarray(from, to)).toString('hex');
  const reversed = (from: number, to: number): string =>
    Buffer.from(uuid.slice(from, to).reverse()).toString('hex');
  return [reversed(0, 4), reversed(4, 6), reversed(6, 8), hex(8, 10), hex(10, 16)].join('-');
}
