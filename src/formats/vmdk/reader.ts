/**
 * Reads VMDK: hosted sparse extents, plain (monolithicSparse) and as a stream of compressed grains (streamOptimized),
 * with the descriptor in the file.
 */

import { alignUp, MiB, SECTOR } from '../../binary/align.ts';
import type { ImageError } from '../../errors.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageReader, Note } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type Descriptor, NO_PARENT, parseDescriptor } from './descriptor.ts';
import { unsupported } from './errors.ts';
import { unpackGrain } from './grain.ts';
import { type GrainShape, openGrainTables } from './grain-tables.ts';
import { readHeader, type SoundHeader } from './header.ts';
import { sparseHeader } from './structs.ts';

const MAX_DIRECTORY_BYTES = 512 * MiB;

export async function openVmdk(
  source: ByteSource,
  _options: object,
  { maxMetadataBytes = MAX_DIRECTORY_BYTES }: OpenContext = {},
): Promise<ImageReader> {
  const sound = await readHeader(source);
  const descriptor = await readEmbedded(source, sound);
  const { capacity, notes } = diskSize(sound, descriptor);
  const tables = await openGrainTables(source, grainShape(sound, capacity), maxMetadataBytes);
  const { grainSize, isCompressed, header } = sound;
  if (header.uncleanShutdown !== 0) {
    const message = 'The disk was not closed cleanly; the guest data is read as it is.';
    notes.push({ code: 'dirty', message });
  }
  return {
    virtualSize: capacity,
    unit: grainSize,
    details: {
      clusterSize: grainSize,
      ...(isCompressed && { compressed: true }),
      specific: {
        cid: descriptor.cid,
        'parent-cid': descriptor.parentCid,
        'create-type': descriptor.createType,
        'adapter-type': descriptor.database.get('ddb.adapterType'),
        'hardware-version': descriptor.database.get('ddb.virtualHWVersion'),
        extents: [
          {
            'virtual-size': capacity,
            filename: source.name,
            'cluster-size': grainSize,
            format: '',
            ...(isCompressed && { compressed: true }),
          },
        ],
      },
    },
    notes,
    ...(descriptor.parentCid !== NO_PARENT && { obstacle: needsParent(descriptor) }),
    extents: tables.extents,
    ...(isCompressed && {
      async unpack(extent, stored, into) {
        const { guestOffset, fileOffset } = extent;
        const length = Math.min(into.length, capacity - guestOffset);
        unpackGrain(stored, fileOffset, { guestOffset, extentStart: 0 }, length, into);
      },
    }),
  };
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
export function diskSize(sound: SoundHeader, { extents }: Descriptor): { capacity: number; notes: Note[] } {
  const { capacity, grainSize } = sound;
  const told = extents.reduce((sum, { sectors }) => sum + sectors, 0) * SECTOR;
  if (told === capacity) return { capacity, notes: [] };
  if (alignUp(told, grainSize) === capacity) return { capacity: told, notes: [] };
  const message = `The descriptor tells a disk of ${told} bytes, the header one of ${capacity}: that is what is read.`;
  return { capacity, notes: [{ code: 'sizes-differ', message }] };
}

export const grainShape = (sound: SoundHeader, capacity: number): GrainShape => ({
  directoryOffset: sound.directoryOffset,
  tableEntries: sound.header.numGTEsPerGT,
  grainSize: sound.grainSize,
  capacity,
  hasZeroGrains: sound.hasZeroGrains,
  isCompressed: sound.isCompressed,
  reservedEnd: sound.descriptor
    ? Math.max(sparseHeader.size, sound.descriptor.fileOffset + sound.descriptor.length)
    : sparseHeader.size,
  hole: 'zero',
  guestStart: 0,
  fileStart: 0,
});

/** Why a disk that builds on another one is not read. */
const needsParent = ({ parentHint }: Descriptor): ImageError =>
  unsupported(
    'needs-parent',
    `The disk is a snapshot: it builds on another one${parentHint === undefined ? '' : `, ${JSON.stringify(parentHint)}`}.`,
    undefined,
    'Consolidate its snapshots with the software that made them, or export it.',
  );
