/** Reads and judges the header of a hosted sparse extent, and the footer that completes it where it was streamed. */

import { isPowerOfTwo, SECTOR } from '../../binary/align.ts';
import { CorruptImageError, type ErrorCode, UnknownFormatError } from '../../errors.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import { requireDescriptorSize } from './descriptor.ts';
import { corrupt, INCOMPLETE, unsupported } from './errors.ts';
import type { GrainShape } from './grain-tables.ts';
import {
  DEFLATE,
  END_LINE_CHARS,
  Flag,
  GD_AT_END,
  KNOWN_FLAGS,
  MAGIC,
  MAX_GRAIN_SECTORS,
  MarkerType,
  metadataMarker,
  type SparseHeader,
  sparseHeader,
  TABLE_ENTRIES,
} from './structs.ts';

/** A header whose fields have been checked; the grain directory's place is known. */
export interface SoundHeader {
  readonly header: SparseHeader;
  /** Bytes of the disk, or of its part in this file. */
  readonly capacity: number;
  readonly grainSize: number;
  /** File offset of the grain directory; 0 when the footer is lost that tells it. */
  readonly directoryOffset: number;
  readonly isFooterLost: boolean;
  /** Of the redundant one, where there is one. */
  readonly redundantOffset: number | undefined;
  /** Where the embedded descriptor stands. */
  readonly descriptor: { readonly fileOffset: number; readonly length: number } | undefined;
  readonly isCompressed: boolean;
  readonly hasZeroGrains: boolean;
  /** Where the footer stands from which the directory's place comes. */
  readonly footerOffset: number | undefined;
}

export const hasMagic = (head: Uint8Array): boolean =>
  String.fromCharCode(...head.subarray(0, MAGIC.length)) === MAGIC;

/**
 * @param salvage go on without the footer of half a download
 * @throws UnknownFormatError `wrong-format`, CorruptImageError, UnsupportedFeatureError
 */
export async function readHeader(source: ByteSource, salvage: boolean): Promise<SoundHeader> {
  const bytes = await readBytes(source, 0, Math.min(sparseHeader.size, source.size), 'The header');
  if (!hasMagic(bytes)) {
    throw new UnknownFormatError('wrong-format', `${source.name} is no VMDK.`, {
      format: 'vmdk',
      fileOffset: 0,
      hint: 'Leave -f out: the bytes tell the format.',
    });
  }
  const header = sparseHeader.decode(bytes, 0);
  requireKnown(header);
  requireShape(header);
  const isAtEnd = header.gdOffset === GD_AT_END;
  const footerOffset = isAtEnd ? source.size - FOOTER_LENGTH + SECTOR : undefined;
  const directory = isAtEnd
    ? await readFooter(source, header).catch((error) => lost(error, salvage))
    : header;
  const descriptor = descriptorPlace(header);
  if (descriptor) requireInside(source, descriptor.fileOffset, descriptor.length, 'The descriptor');
  const hasRedundant = (header.flags & Flag.redundantTable) !== 0 && !isAtEnd;
  return {
    header,
    capacity: header.capacity * SECTOR,
    grainSize: header.grainSize * SECTOR,
    directoryOffset: directory === undefined ? 0 : directoryOffset(directory, footerOffset ?? 0),
    isFooterLost: directory === undefined,
    redundantOffset: hasRedundant ? header.rgdOffset * SECTOR : undefined,
    descriptor,
    isCompressed: (header.flags & Flag.compressed) !== 0,
    hasZeroGrains: (header.flags & Flag.zeroedGrains) !== 0,
    footerOffset,
  };
}

function lost(error: unknown, salvage: boolean): undefined {
  if (!salvage || !(error instanceof CorruptImageError)) throw error;
}

/** @throws UnsupportedFeatureError */
function requireKnown({ version, flags, compressAlgorithm }: SparseHeader): void {
  if (version < 1 || version > 3) {
    const message = `This is version ${version} of the format.`;
    throw unsupported('unsupported-version', message, 4, 'Versions 1 to 3 are read.');
  }
  const unknown = (flags & ~KNOWN_FLAGS) >>> 0;
  if (unknown !== 0) {
    const message = `Flags are set that are not known: 0x${unknown.toString(16)}.`;
    throw unsupported('unsupported-feature', message, 8, 'Write it anew with the software that made it.');
  }
  if (compressAlgorithm > DEFLATE) {
    const message = `Compression method ${compressAlgorithm} is not known.`;
    throw unsupported('unsupported-feature', message, 77, 'Write it anew with the software that made it.');
  }
}

/** Everything that the grain tables depend on. */
function requireShape(header: SparseHeader): void {
  const { flags, capacity, grainSize, numGTEsPerGT, compressAlgorithm, descriptorSize } = header;
  const isCompressed = (flags & Flag.compressed) !== 0;
  const hasMarkers = (flags & Flag.markers) !== 0;
  require(isCompressed === hasMarkers &&
    isCompressed ===
      (compressAlgorithm ===
        DEFLATE), 'flags', `of compression, markers and method ${compressAlgorithm} each needs the others`);
  if ((flags & Flag.newLineTest) !== 0) requireBinary(header);
  require(capacity > 0 &&
    Number.isSafeInteger(capacity * SECTOR), 'capacity', `${capacity} sectors are no disk`);
  require(isPowerOfTwo(grainSize) &&
    grainSize <=
      MAX_GRAIN_SECTORS, 'grainSize', `its grains have ${grainSize} sectors, no power of two up to ${MAX_GRAIN_SECTORS}`);
  require(numGTEsPerGT > 0 &&
    numGTEsPerGT <=
      TABLE_ENTRIES, 'numGTEsPerGT', `its grain tables have ${numGTEsPerGT} entries, not 1 to ${TABLE_ENTRIES}`);
  for (const key of ['descriptorOffset', 'rgdOffset', 'overHead'] as const) {
    require(Number.isSafeInteger(
      header[key] * SECTOR,
    ), key, `sector ${header[key]} is in no file`, 'bad-reference');
  }
  requireDescriptorSize(descriptorSize * SECTOR, sparseHeader.fields.descriptorSize.at);
}

/** @throws CorruptImageError `bad-header` for a file that was transferred as text */
function requireBinary(header: SparseHeader): void {
  for (const [field, char] of Object.entries(END_LINE_CHARS)) {
    const key = field as keyof typeof END_LINE_CHARS;
    if (header[key] === char) continue;
    throw corrupt(
      'bad-header',
      'The line ends in the header have been changed.',
      sparseHeader.fields[key].at,
      {
        hint: 'The file was transferred as text, which destroys it: transfer it again, as binary.',
      },
    );
  }
}

function require(holds: boolean, field: keyof SparseHeader, problem: string, code: ErrorCode = 'bad-header') {
  if (holds) return;
  throw corrupt(code, `The header is wrong: ${problem}.`, sparseHeader.fields[field].at);
}

function descriptorPlace({ descriptorOffset, descriptorSize }: SparseHeader): SoundHeader['descriptor'] {
  if (descriptorOffset === 0 || descriptorSize === 0) return undefined;
  return { fileOffset: descriptorOffset * SECTOR, length: descriptorSize * SECTOR };
}

/** @param at where the header stands that says so */
function directoryOffset({ gdOffset }: SparseHeader, at: number): number {
  const offset = Number(gdOffset) * SECTOR;
  if (offset >= sparseHeader.size && Number.isSafeInteger(offset)) return offset;
  const message = `The grain directory cannot stand at sector ${gdOffset}.`;
  throw corrupt('bad-reference', message, at + sparseHeader.fields.gdOffset.at);
}

/** The end of a stream: a marker, the footer, and the marker of the end. */
export const FOOTER_LENGTH = 3 * SECTOR;

/** @throws CorruptImageError `truncated`, `bad-header` */
async function readFooter(source: ByteSource, header: SparseHeader): Promise<SparseHeader> {
  const at = source.size - FOOTER_LENGTH;
  const incomplete = (): never => {
    throw corrupt('truncated', 'The footer is missing, with which the file should end.', Math.max(0, at), {
      hint: INCOMPLETE,
    });
  };
  if (at < sparseHeader.size) incomplete();
  const bytes = await readBytes(source, at, FOOTER_LENGTH, 'The footer');
  const marker = metadataMarker.decode(bytes, at);
  const isMarked = marker.sectors === 1 && marker.dataSize === 0 && marker.type === MarkerType.footer;
  if (!isMarked || !hasMagic(bytes.subarray(SECTOR))) incomplete();
  const end = metadataMarker.decode(bytes.subarray(2 * SECTOR), at + 2 * SECTOR);
  if (end.sectors !== 0 || end.dataSize !== 0 || end.type !== MarkerType.endOfStream) incomplete();
  const footer = sparseHeader.decode(bytes.subarray(SECTOR), at + SECTOR);
  for (const key of [
    'version',
    'flags',
    'capacity',
    'grainSize',
    'numGTEsPerGT',
    'compressAlgorithm',
  ] as const) {
    if (footer[key] === header[key]) continue;
    const message = `The footer says ${key} ${footer[key]}, the header ${header[key]}.`;
    throw corrupt('bad-header', message, at + SECTOR + sparseHeader.fields[key].at);
  }
  return footer;
}

/** Where the grains of the extent are told. */
export const shapeOf = (sound: SoundHeader): Omit<GrainShape, 'hole' | 'guestStart' | 'fileStart'> => ({
  directoryOffset: sound.directoryOffset,
  tableEntries: sound.header.numGTEsPerGT,
  grainSize: sound.grainSize,
  capacity: sound.capacity,
  hasZeroGrains: sound.hasZeroGrains,
  isCompressed: sound.isCompressed,
  reservedEnd: sound.descriptor
    ? Math.max(sparseHeader.size, sound.descriptor.fileOffset + sound.descriptor.length)
    : sparseHeader.size,
});
