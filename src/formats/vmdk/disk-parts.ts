/** The extents of a disk in files of their own, each opened through the gate and read as what the descriptor says. */

import { isAligned, SECTOR } from '../../binary/align.ts';
import { BudgetError, withDetails, withName } from '../../errors.ts';
import { flatExtents, type OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { JsonValue } from '../../image/reader.ts';
import { type ByteSource, requireInside } from '../../io/source.ts';
import { readCowd } from './cowd.ts';
import type { Descriptor, ExtentLine } from './descriptor.ts';
import { corrupt, unsupported } from './errors.ts';
import { type GrainShape, openGrainTables } from './grain-tables.ts';
import { readHeader, shapeOf } from './header.ts';
import { openSeSparse, readSeSparse, SE_GRAIN, seSparseHeader } from './sesparse.ts';

/** A stretch of the disk that one file, or none, holds. */
export interface DiskPart {
  readonly guestStart: number;
  readonly length: number;
  /** Bytes of its grains; a sector where it has none. */
  readonly unit: number;
  readonly isCompressed: boolean;
  readonly info: JsonValue;
  /** The extents of [from, to), which are offsets on the disk and lie in this part. */
  extents(from: number, to: number): AsyncIterable<OwnExtent>;
}

export interface DiskParts {
  readonly parts: readonly DiskPart[];
  readonly files: readonly ByteSource[];
}

/** A disk of 64 TiB in extents of 2 GiB has more, and nobody keeps one. */
const MAX_EXTENTS = 4096;

export interface PartsRequest {
  readonly descriptor: Descriptor;
  readonly hole: 'zero' | 'backing';
  readonly maxMetadataBytes: number;
  /** What the name of an extent is relative to, for messages and information. */
  readonly nameOf: (name: string) => string;
}

/** @throws CorruptImageError, UnsupportedFeatureError, BudgetError, and what opening a file throws */
export async function openParts(
  { descriptor, hole, maxMetadataBytes, nameOf }: PartsRequest,
  openDataFile: NonNullable<OpenContext['openDataFile']>,
): Promise<DiskParts> {
  const { extents } = descriptor;
  if (extents.length > MAX_EXTENTS) {
    throw new BudgetError(
      'over-budget',
      `The disk has ${extents.length} extents; at most ${MAX_EXTENTS} are read.`,
      {
        format: 'vmdk',
        fileOffset: 0,
        hint: 'Convert it to fewer extents with the software that made it.',
      },
    );
  }
  const opened = new Map<string, { readonly file: ByteSource; readonly fileStart: number }>();
  let filesEnd = 0;
  const parts: DiskPart[] = [];
  let guestStart = 0;
  for (const line of extents) {
    const place = { guestStart, length: line.sectors * SECTOR, hole };
    guestStart += place.length;
    if (line.type === 'ZERO') {
      parts.push(zeroPart(line, place));
      continue;
    }
    const name = requireReadable(line);
    let own = opened.get(name);
    if (own === undefined) {
      const file = await openDataFile(name).catch((error) => {
        throw withDetails(error, { format: 'vmdk', fileOffset: 0 }); // the descriptor names it
      });
      own = { file, fileStart: filesEnd };
      opened.set(name, own);
      filesEnd += file.size;
    }
    try {
      parts.push(await openPart(line, { ...place, ...own, filename: nameOf(name) }, maxMetadataBytes));
    } catch (error) {
      throw withName(error, own.file.name);
    }
  }
  return { parts, files: [...opened.values()].map(({ file }) => file) };
}

interface Place {
  readonly guestStart: number;
  readonly length: number;
  readonly hole: 'zero' | 'backing';
}

interface FilePlace extends Place {
  readonly file: ByteSource;
  /** Where the file begins among the files of the disk. */
  readonly fileStart: number;
  readonly filename: string;
}

const FLAT: readonly string[] = ['FLAT', 'VMFS'];
const SPARSE: readonly string[] = ['SPARSE', 'VMFSSPARSE', 'SESPARSE'];

/** The name of the extent's file. @throws UnsupportedFeatureError, CorruptImageError */
export function requireReadable({ access, type, name }: ExtentLine): string {
  if (access === 'NOACCESS' || !(FLAT.includes(type) || SPARSE.includes(type))) {
    const message = `The disk has an extent of the kind ${access} ${type}.`;
    const hint = 'Clone the disk to one that is thin or flat with the software that made it.';
    throw unsupported('unsupported-feature', message, 0, hint);
  }
  if (name === undefined || name === '') throw corrupt('bad-header', `A ${type} extent names no file.`, 0);
  return name;
}

/** What is known of an extent without its file. */
export const lineInfo = (
  { sectors, type, name }: ExtentLine,
  nameOf: (name: string) => string,
): JsonValue => ({
  'virtual-size': sectors * SECTOR,
  ...(name !== undefined && { filename: nameOf(name) }),
  format: type,
});

const zeroPart = (line: ExtentLine, { guestStart, length }: Place): DiskPart => ({
  guestStart,
  length,
  unit: SECTOR,
  isCompressed: false,
  info: lineInfo(line, (name) => name),
  async *extents(from, to) {
    yield { kind: 'zero', guestOffset: from, length: to - from, explicit: true };
  },
});

const openPart = (
  line: ExtentLine,
  place: FilePlace,
  maxMetadataBytes: number,
): Promise<DiskPart> | DiskPart => {
  if (FLAT.includes(line.type)) return flatPart(line, place);
  return line.type === 'SESPARSE'
    ? seSparsePart(place, maxMetadataBytes)
    : sparsePart(line, place, maxMetadataBytes);
};

function flatPart(line: ExtentLine, place: FilePlace): DiskPart {
  const { guestStart, length, file, fileStart, filename } = place;
  const offset = line.offset * SECTOR;
  requireInside(file, offset, length, 'The extent');
  return {
    guestStart,
    length,
    unit: SECTOR,
    isCompressed: false,
    info: lineInfo(line, () => filename),
    async *extents(from, to) {
      const shift = offset - guestStart;
      for (const extent of flatExtents(file, from + shift, to + shift)) {
        const guestOffset = extent.guestOffset - shift;
        yield extent.kind === 'data'
          ? { ...extent, guestOffset, fileOffset: fileStart + extent.fileOffset }
          : { ...extent, guestOffset };
      }
    },
  };
}

async function seSparsePart(place: FilePlace, maxMetadataBytes: number): Promise<DiskPart> {
  const { guestStart, length, file, filename } = place;
  const own = await readSeSparse(file);
  requireCapacity(own.capacity, length, seSparseHeader.fields.capacity.at);
  const extents = await openSeSparse(file, own, place, maxMetadataBytes);
  return {
    guestStart,
    length,
    unit: SE_GRAIN,
    isCompressed: false,
    info: { 'virtual-size': length, filename, 'cluster-size': SE_GRAIN, format: 'SESPARSE' },
    async *extents(from, to) {
      try {
        yield* extents(from, to);
      } catch (error) {
        throw withName(error, file.name); // its offsets are those of this file
      }
    },
  };
}

/** @throws CorruptImageError for an extent that is larger than its file says */
function requireCapacity(capacity: number, length: number, fileOffset: number): void {
  if (capacity >= length) return;
  const message = `The descriptor tells an extent of ${length} bytes, its header one of ${capacity}.`;
  throw corrupt('bad-header', message, fileOffset);
}

async function sparsePart(line: ExtentLine, place: FilePlace, maxMetadataBytes: number): Promise<DiskPart> {
  const { guestStart, length, file, fileStart, filename, hole } = place;
  const own = line.type === 'VMFSSPARSE' ? await readCowd(file) : shapeOf(await readHeader(file, false));
  requireCapacity(own.capacity, length, 12);
  const shape: GrainShape = { ...own, capacity: length, hole, guestStart, fileStart };
  const tables = await openGrainTables(file, shape, maxMetadataBytes);
  return {
    guestStart,
    length,
    unit: own.grainSize,
    isCompressed: own.isCompressed,
    info: {
      'virtual-size': length,
      filename,
      'cluster-size': own.grainSize,
      format: line.type,
      ...(own.isCompressed && { compressed: true }),
    },
    async *extents(from, to) {
      try {
        yield* tables.extents(from, to);
      } catch (error) {
        throw withName(error, file.name); // its offsets are those of this file
      }
    },
  };
}

/**
 * The block of the whole disk: the largest grain, or less where extents begin within one.
 * @throws UnsupportedFeatureError where that would cut a compressed grain
 */
export function commonUnit(parts: readonly DiskPart[]): number {
  let unit = Math.max(SECTOR, ...parts.map((part) => part.unit));
  while (unit > SECTOR && parts.some(({ guestStart }) => !isAligned(guestStart, unit))) unit /= 2;
  if (!parts.some((part) => part.isCompressed && part.unit > unit)) return unit;
  const message = 'A compressed extent does not begin on a multiple of its grains.';
  throw unsupported('unsupported-feature', message, 0, 'Write it anew with the software that made it.');
}
