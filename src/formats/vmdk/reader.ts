/**
 * Reads VMDK. The descriptor stands in the image, with one extent behind it, or in a file of its own that names its
 * extents; a server's sparse extent (COWD, SEsparse) may also come without one.
 */

import { alignUp, MiB, SECTOR } from '../../binary/align.ts';
import { UnknownFormatError } from '../../errors.ts';
import type { OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { BackingReference, ImageReader, JsonValue, Note } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { hasCowdMagic, readCowd } from './cowd.ts';
import {
  type Descriptor,
  isDescriptor,
  NO_PARENT,
  parseDescriptor,
  requireDescriptorSize,
} from './descriptor.ts';
import { commonUnit, type DiskPart, lineInfo, openParts, requireReadable } from './disk-parts.ts';
import { corrupt, unsupported } from './errors.ts';
import { unpackGrain } from './grain.ts';
import { grainTablesFrom, openGrainTables } from './grain-tables.ts';
import { hasMagic, readHeader, type SoundHeader, shapeOf } from './header.ts';
import { findGrains } from './salvage.ts';
import { hasSeSparseMagic, openSeSparse, readSeSparse, SE_GRAIN } from './sesparse.ts';
import { sparseHeader } from './structs.ts';

export const MAX_DIRECTORY_BYTES = 512 * MiB;

export async function openVmdk(
  source: ByteSource,
  _options: object,
  { maxMetadataBytes = MAX_DIRECTORY_BYTES, openDataFile, salvage = false }: OpenContext = {},
): Promise<ImageReader> {
  const head = await readBytes(source, 0, Math.min(source.size, SECTOR), 'The header');
  if (hasMagic(head)) return openSparse(source, maxMetadataBytes, salvage);
  if (hasCowdMagic(head)) return openCowd(source, maxMetadataBytes);
  if (hasSeSparseMagic(head)) return openBareSeSparse(source, maxMetadataBytes);
  if (isDescriptor(head)) return openSplit(source, maxMetadataBytes, openDataFile);
  throw new UnknownFormatError('wrong-format', `${source.name} is no VMDK.`, {
    format: 'vmdk',
    fileOffset: 0,
    hint: 'Leave -f out: the bytes tell the format.',
  });
}

/** One extent, with the descriptor in the file. */
async function openSparse(
  source: ByteSource,
  maxMetadataBytes: number,
  salvage: boolean,
): Promise<ImageReader> {
  const sound = await readHeader(source, salvage);
  const descriptor = await readEmbedded(source, sound);
  const { capacity, notes } = diskSize(sound, descriptor);
  const { grainSize, isCompressed, header } = sound;
  if (header.uncleanShutdown !== 0) {
    const message = 'The disk was not closed cleanly; the guest data is read as it is.';
    notes.push({ code: 'dirty', message });
  }
  const shape = { ...shapeOf(sound), capacity, guestStart: 0, fileStart: 0, hole: holeOf(descriptor) };
  const { extents } = sound.isFooterLost
    ? grainTablesFrom(
        source,
        shape,
        await findGrains(source, shape, header.overHead * SECTOR, maxMetadataBytes),
      )
    : await openGrainTables(source, shape, maxMetadataBytes);
  if (sound.isFooterLost) {
    notes.push({
      code: 'no-index',
      message: 'The footer was not found; the grains were looked for from the front.',
    });
  }
  const info = {
    'virtual-size': capacity,
    filename: source.name,
    'cluster-size': grainSize,
    format: '',
    ...(isCompressed && { compressed: true }),
  };
  const part = { guestStart: 0, length: capacity, unit: grainSize, isCompressed, info, extents };
  return readerOf(descriptor, [part], notes);
}

/** A server's sparse extent that is a disk by itself. */
async function openCowd(source: ByteSource, maxMetadataBytes: number): Promise<ImageReader> {
  const own = await readCowd(source);
  const shape = { ...own, guestStart: 0, fileStart: 0, hole: 'zero' as const };
  const { extents } = await openGrainTables(source, shape, maxMetadataBytes);
  return bareReader(own.capacity, own.grainSize, 'vmfsSparse', extents);
}

/** The same of a newer server. */
async function openBareSeSparse(source: ByteSource, maxMetadataBytes: number): Promise<ImageReader> {
  const own = await readSeSparse(source);
  const place = { guestStart: 0, fileStart: 0, length: own.capacity, hole: 'zero' as const };
  const extents = await openSeSparse(source, own, place, maxMetadataBytes);
  return bareReader(own.capacity, SE_GRAIN, 'seSparse', extents);
}

function bareReader(
  virtualSize: number,
  grainSize: number,
  createType: string,
  extents: ImageReader['extents'],
): ImageReader {
  const message = 'The file has no descriptor: if it is a snapshot, what it builds on is not shown.';
  return {
    virtualSize,
    unit: grainSize,
    details: { clusterSize: grainSize, specific: { 'create-type': createType } },
    notes: [{ code: 'no-descriptor', message }],
    extents,
  };
}

/** A descriptor that names the files of its extents. */
async function openSplit(
  source: ByteSource,
  maxMetadataBytes: number,
  openDataFile: OpenContext['openDataFile'],
): Promise<ImageReader> {
  const descriptor = await readSplit(source);
  const nameOf = (name: string): string => besides(source.name, name);
  if (openDataFile) {
    const request = { descriptor, hole: holeOf(descriptor), maxMetadataBytes, nameOf };
    const { parts, files } = await openParts(request, openDataFile);
    const reader = readerOf(descriptor, parts, []);
    return files.length > 0 ? { ...reader, dataFiles: files } : reader;
  }
  const { extents } = descriptor;
  const named = extents.find(({ type }) => type !== 'ZERO');
  const name = named && requireReadable(named);
  return {
    virtualSize: extents.reduce((sum, { sectors }) => sum + sectors, 0) * SECTOR,
    unit: SECTOR,
    details: {
      specific: specificOf(
        descriptor,
        extents.map((line) => lineInfo(line, nameOf)),
      ),
    },
    notes: [],
    ...(name !== undefined && { obstacle: needsExtent(name) }),
    // Without its files there is an obstacle, or nothing but zeros.
    async *extents(from, to) {
      yield { kind: 'zero', guestOffset: from, length: to - from };
    },
  };
}

const needsExtent = (name: string) =>
  unsupported(
    'needs-data-file',
    `The disk is in other files, ${JSON.stringify(name)} and perhaps more.`,
    0,
    'If you trust the image, allow their folder with --allow-path DIR.',
  );

/** @throws CorruptImageError for a file that is no descriptor, or has no extents */
export async function readSplit(source: ByteSource): Promise<Descriptor> {
  requireDescriptorSize(source.size, 0);
  const descriptor = parseDescriptor(await readBytes(source, 0, source.size, 'The descriptor'), 0);
  const sectors = descriptor.extents.reduce((sum, extent) => sum + extent.sectors, 0);
  if (sectors === 0 || !Number.isSafeInteger(sectors * SECTOR)) {
    throw corrupt('bad-header', `The extents of the descriptor make a disk of ${sectors} sectors.`, 0);
  }
  return descriptor;
}

/** The disk that its parts make up. */
function readerOf(descriptor: Descriptor, parts: readonly DiskPart[], notes: readonly Note[]): ImageReader {
  const unit = commonUnit(parts);
  const last = parts.at(-1) as DiskPart;
  const virtualSize = last.guestStart + last.length;
  const grainSize = Math.max(...parts.map((part) => part.unit));
  const isCompressed = parts.some((part) => part.isCompressed);
  const parent = parentOf(descriptor);

  /** The index of the part with a guest offset. */
  function partAt(guestOffset: number): number {
    let low = 0;
    let high = parts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((parts[middle] as DiskPart).guestStart <= guestOffset) low = middle;
      else high = middle;
    }
    return low;
  }

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    for (let at = from, index = partAt(from); at < to; index++) {
      const part = parts[index] as DiskPart;
      const end = Math.min(to, part.guestStart + part.length);
      yield* part.extents(at, end);
      at = end;
    }
  }

  return {
    virtualSize,
    unit,
    details: {
      ...(grainSize > SECTOR && { clusterSize: grainSize }),
      ...(isCompressed && { compressed: true }),
      ...(parent && descriptor.parentHint !== undefined && { backingFile: descriptor.parentHint }),
      specific: specificOf(
        descriptor,
        parts.map(({ info }) => info),
      ),
    },
    notes: [...notes, ...unknownKeys(descriptor)],
    ...(parent && { backing: parent }),
    extents,
    ...(isCompressed && {
      async unpack(extent, stored, into) {
        const { guestOffset, fileOffset } = extent;
        const { guestStart, length } = parts[partAt(guestOffset)] as DiskPart;
        const onDisk = Math.min(into.length, guestStart + length - guestOffset);
        unpackGrain(stored, fileOffset, { guestOffset, extentStart: guestStart }, onDisk, into);
      },
    }),
  };
}

const holeOf = ({ parentCid }: Descriptor): 'zero' | 'backing' =>
  parentCid === NO_PARENT ? 'zero' : 'backing';

function unknownKeys({ unknownKeys }: Descriptor): Note[] {
  if (unknownKeys.length === 0) return [];
  const keys = unknownKeys.slice(0, 5).join(', ');
  return [{ code: 'unknown-keys', message: `The descriptor has keys that are not known: ${keys}.` }];
}

const specificOf = (descriptor: Descriptor, extents: readonly JsonValue[]) => ({
  cid: descriptor.cid,
  'parent-cid': descriptor.parentCid,
  'create-type': descriptor.createType,
  'adapter-type': descriptor.database.get('ddb.adapterType'),
  'hardware-version': descriptor.database.get('ddb.virtualHWVersion'),
  extents,
});

/** The disk on which a snapshot builds; it must have the content that it had then. */
function parentOf({ parentCid, parentHint }: Descriptor): BackingReference | undefined {
  if (parentCid === NO_PARENT) return undefined;
  const name = parentHint === undefined ? '' : `, ${JSON.stringify(parentHint)}`;
  return {
    kind: 'parent',
    names: parentHint === undefined ? [] : [parentHint],
    format: 'vmdk',
    contentId: parentCid,
    missing: (why) =>
      unsupported('needs-parent', `The disk is a snapshot: it builds on another one${name}.`, 0, why),
  };
}

/** The path of a file beside another one, unless it has one of its own. */
function besides(path: string, name: string): string {
  if (/^([/\\]|[a-z]:)/i.test(name)) return name;
  return path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1) + name;
}

/** @throws UnsupportedFeatureError for an extent whose descriptor is in another file */
export async function readEmbedded(source: ByteSource, { descriptor }: SoundHeader): Promise<Descriptor> {
  const bytes = descriptor
    ? await readBytes(source, descriptor.fileOffset, descriptor.length, 'The descriptor')
    : new Uint8Array(0);
  if (descriptor && bytes.some((byte) => byte !== 0)) return parseDescriptor(bytes, descriptor.fileOffset);
  const message = 'The file has no descriptor: it is one extent of a disk, perhaps of several.';
  const hint = 'Name the file with the descriptor, a page of text without the -s001 or -flat in its name.';
  throw unsupported('unsupported-feature', message, sparseHeader.fields.descriptorOffset.at, hint);
}

/** The header may round the size of the disk up to a grain; the descriptor does not. */
export function diskSize(
  { capacity, grainSize }: SoundHeader,
  { extents }: Descriptor,
): { capacity: number; notes: Note[] } {
  const told = extents.reduce((sum, { sectors }) => sum + sectors, 0) * SECTOR;
  if (told === capacity) return { capacity, notes: [] };
  if (alignUp(told, grainSize) === capacity) return { capacity: told, notes: [] };
  const message = `The descriptor tells a disk of ${told} bytes, the header one of ${capacity}: that is what is read.`;
  return { capacity, notes: [{ code: 'sizes-differ', message }] };
}
