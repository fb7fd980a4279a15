/**
 * Reads qcow2, versions 2 and 3 (`docs/interop/qcow2.txt`). The L1 table is kept in memory, L2 tables come through a
 * small cache.
 */

import { ceilDiv, MiB } from '../../binary/align.ts';
import { BudgetError, type ImageError, OptionError, withDetails } from '../../errors.ts';
import { mergeNeighbours, type OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { BackingReference, ImageDetails, ImageReader, JsonValue, Note } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { readBitmaps } from './bitmaps.ts';
import { openEncryption, type Unlocked } from './encryption.ts';
import { corrupt, hasFeature, type Qcow2Header, readHeader, unsupported } from './header.ts';
import { type L2Shape, type L2Table, l2Extents } from './l2-table.ts';
import { readSnapshots, type SnapshotEntry } from './snapshots.ts';
import {
  BITMAPS_VALID,
  cryptMethods,
  DATA_FILE_RAW,
  EntryHigh,
  EntryLow,
  Incompatible,
  LAZY_REFCOUNTS,
} from './structs.ts';

/** Memory for L2 tables that have been read, in bytes. */
const L2_CACHE_BYTES = 4 * MiB;

export async function openQcow2(
  source: ByteSource,
  options: { readonly snapshot: string | undefined },
  { openDataFile, salvage = false, maxMetadataBytes, unlock }: OpenContext = {},
): Promise<ImageReader> {
  const header = await readHeader(source, salvage);
  const snapshots = await unlessSalvaged(salvage, readSnapshots(source, header), []);
  const state = stateToRead(header, snapshots, options.snapshot);
  const bitmaps = await unlessSalvaged(salvage, readBitmaps(source, header), undefined);
  const dataFile = hasFeature(header, Incompatible.dataFile)
    ? await openDataFile?.(header.extensions.dataFile ?? '').catch((error) => {
        throw withDetails(error, { fileOffset: 72 });
      })
    : undefined;
  const encryption = await openEncryption(source, header, unlock);
  const { unlocked } = encryption ?? {};
  const { clusterSize, l2Entries } = header;
  const { virtualSize } = state;
  const tables = l2Tables(source, header, state, await readL1(source, header, state, maxMetadataBytes));
  const hasBacking = header.backingFile !== undefined;
  const shape: L2Shape = {
    clusterBits: header.clusterBits,
    clusterSize,
    entrySize: header.l2EntrySize,
    version: header.version,
    codec: header.compressionType === 'zstd' ? 'zstd' : 'deflate',
    virtualSize,
    fileSize: source.size,
    dataFileSize: dataFile?.size ?? source.size,
    hasDataFile: dataFile !== undefined,
    hasBacking,
    isEncrypted: unlocked !== undefined,
  };
  /** Guest bytes that one L2 table describes. */
  const reach = clusterSize * l2Entries;

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    for (let at = from; at < to; ) {
      const index = Math.floor(at / reach);
      const end = Math.min((index + 1) * reach, to);
      const table = await tables.read(index);
      if (table) yield* mergeNeighbours(l2Extents(table, shape, at, end));
      else yield { kind: hasBacking ? 'backing' : 'zero', guestOffset: at, length: end - at };
      at = end;
    }
  }

  const obstacle = obstacleTo(header, { dataFile, unlocked, salvage });
  return {
    virtualSize,
    unit: clusterSize,
    details: details(header, snapshots, bitmaps, encryption?.facts),
    notes: notes(header, snapshots, options.snapshot),
    extents,
    ...(header.backingFile !== undefined && { backing: backingReference(header, header.backingFile) }),
    ...(obstacle && { obstacle }),
    ...unlocked,
    ...(dataFile && { dataFiles: [dataFile] }),
  };
}

/** What is not needed to read the disk may be damaged when it is salvaged. */
const unlessSalvaged = <T>(salvage: boolean, reading: Promise<T>, otherwise: T): Promise<T> =>
  salvage ? reading.catch(() => otherwise) : reading;

/** A state of the disk: the active one, or that of a snapshot. */
interface DiskState {
  readonly virtualSize: number;
  readonly l1TableOffset: number;
  readonly l1Size: number;
}

/** @param wanted a snapshot's ID, or its name where no ID is so. @throws OptionError `bad-option` */
function stateToRead(
  header: Qcow2Header,
  snapshots: readonly SnapshotEntry[],
  wanted: string | undefined,
): DiskState {
  if (wanted === undefined) return { ...header, virtualSize: header.size };
  const found =
    snapshots.find(({ snapshot }) => snapshot.id === wanted) ??
    snapshots.find(({ snapshot }) => snapshot.name === wanted);
  if (found) return { ...found, virtualSize: found.diskSize ?? header.size };
  const names = snapshots.map(({ snapshot: { id, name } }) => `${id} (${name})`);
  const hint = names.length > 0 ? `It has ${names.join(', ')}.` : 'It has none.';
  throw new OptionError('bad-option', `The image has no snapshot '${wanted}'.`, { format: 'qcow2', hint });
}

/** Why the guest data cannot be read. */
function obstacleTo(
  header: Qcow2Header,
  {
    dataFile,
    unlocked,
    salvage,
  }: {
    readonly dataFile: ByteSource | undefined;
    readonly unlocked: Unlocked | undefined;
    readonly salvage: boolean;
  },
): ImageError | undefined {
  if (header.cryptMethod !== 0 && unlocked === undefined) {
    const method = cryptMethods[header.cryptMethod];
    if (method === undefined) {
      const message = `The image is encrypted by method ${header.cryptMethod}.`;
      return unsupported('unsupported-feature', message, 32, 'Methods 1 (AES) and 2 (LUKS) are known.');
    }
    const hint = 'Give its passphrase with --passphrase-file.';
    return unsupported('encrypted', `The image is encrypted with ${method}.`, 32, hint);
  }
  if (hasFeature(header, Incompatible.corrupt) && !salvage) {
    return corrupt('marked-corrupt', 'The image is marked as corrupt by the software that used it.', 72, {
      hint: "Repair a copy with 'qemu-img check -r all', or read what is left with convert --salvage.",
    });
  }
  if (hasFeature(header, Incompatible.dataFile) && dataFile === undefined) {
    const name = JSON.stringify(header.extensions.dataFile ?? '');
    const hint = 'It was not opened.';
    return unsupported('needs-data-file', `The guest data is in another file, ${name}.`, 72, hint);
  }
  return undefined;
}

function backingReference({ extensions }: Qcow2Header, name: string): BackingReference {
  const message = `The image builds on a backing file, ${JSON.stringify(name)}.`;
  return {
    kind: 'backing',
    names: [name],
    ...(extensions.backingFormat !== undefined && { format: extensions.backingFormat }),
    missing: (why) => unsupported('needs-backing', message, 8, why),
  };
}

/** The L1 entries that the disk needs, as they stand in the file. */
async function readL1(
  source: ByteSource,
  header: Qcow2Header,
  state: DiskState,
  maxBytes = Infinity,
): Promise<DataView> {
  const { virtualSize, l1Size, l1TableOffset } = state;
  const needed = ceilDiv(virtualSize, header.clusterSize * header.l2Entries);
  if (l1Size < needed) {
    const message = `The L1 table of the snapshot has ${l1Size} entries; its disk size needs ${needed}.`;
    throw corrupt('bad-table', message, l1TableOffset);
  }
  if (needed * 8 > maxBytes) {
    throw new BudgetError('over-budget', `The L1 table takes ${needed * 8} bytes.`, {
      format: 'qcow2',
      fileOffset: l1TableOffset,
      hint: 'Allow more with --max-metadata.',
    });
  }
  const bytes = await readBytes(source, l1TableOffset, needed * 8, 'The L1 table');
  return new DataView(bytes.buffer);
}

/** L2 tables by their index in the L1 table. */
function l2Tables(source: ByteSource, header: Qcow2Header, { l1TableOffset }: DiskState, l1: DataView) {
  const { clusterSize, l2Entries } = header;
  const capacity = Math.max(2, L2_CACHE_BYTES / clusterSize);
  const cache = new Map<number, DataView>();

  /** The place of an L2 table, 0 for none. */
  function offsetOf(index: number): number {
    const high = l1.getUint32(index * 8);
    const low = l1.getUint32(index * 8 + 4);
    const place = { guestOffset: index * clusterSize * l2Entries };
    const entryOffset = l1TableOffset + index * 8;
    if ((high & EntryHigh.reservedL1) !== 0 || (low & EntryLow.reservedL1) !== 0) {
      throw corrupt('bad-table', 'Reserved bits are set in an L1 entry.', entryOffset, place);
    }
    const offset = (high & EntryHigh.offset) * 2 ** 32 + low;
    if (offset % clusterSize !== 0) {
      throw corrupt(
        'bad-reference',
        `The L2 table at byte ${offset} is not on a cluster.`,
        entryOffset,
        place,
      );
    }
    return offset;
  }

  /** The error stands at the L1 entry: what it says may be no place in any file. */
  function requireInFile(fileOffset: number, index: number): void {
    const end = fileOffset + clusterSize;
    if (end <= source.size) return;
    const message = `An L2 table should end at byte ${end}, but the file has only ${source.size} bytes.`;
    throw corrupt('truncated', message, l1TableOffset + index * 8, {
      guestOffset: index * clusterSize * l2Entries,
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    });
  }

  return {
    async read(index: number): Promise<L2Table | undefined> {
      const fileOffset = offsetOf(index);
      if (fileOffset === 0) return undefined;
      let view = cache.get(fileOffset);
      if (view === undefined) {
        requireInFile(fileOffset, index);
        view = new DataView((await readBytes(source, fileOffset, clusterSize, 'An L2 table')).buffer);
        if (cache.size >= capacity) cache.delete(cache.keys().next().value as number);
        cache.set(fileOffset, view);
      }
      return { view, fileOffset, guestOffset: index * clusterSize * l2Entries };
    },
  };
}

function notes(header: Qcow2Header, snapshots: readonly SnapshotEntry[], wanted: string | undefined): Note[] {
  const found: Note[] = [];
  if (hasFeature(header, Incompatible.dirty)) {
    const message =
      'The image was not closed cleanly: its refcounts may be wrong; the guest data is read as it is.';
    found.push({ code: 'dirty', message });
  }
  if (snapshots.length > 0) {
    const count = snapshots.length === 1 ? '1 internal snapshot' : `${snapshots.length} internal snapshots`;
    const read = wanted === undefined ? 'only the active state' : `only snapshot '${wanted}'`;
    found.push({ code: 'snapshots', message: `${count} in the image; ${read} is read.` });
  }
  return found;
}

function details(
  header: Qcow2Header,
  snapshots: readonly SnapshotEntry[],
  bitmaps: readonly JsonValue[] | undefined,
  encrypt: JsonValue | undefined,
): ImageDetails {
  const { version, clusterSize, extensions } = header;
  const data = {
    compat: version === 2 ? '0.10' : '1.1',
    'compression-type': header.compressionType,
    'lazy-refcounts': version === 2 ? undefined : (header.compatibleFeatures & LAZY_REFCOUNTS) !== 0n,
    'refcount-bits': 2 ** header.refcountOrder,
    corrupt: version === 2 ? undefined : hasFeature(header, Incompatible.corrupt),
    'extended-l2': version === 2 ? undefined : hasFeature(header, Incompatible.extendedL2),
    bitmaps,
    encrypt,
    'bitmap-count': extensions.bitmaps?.count,
    'bitmaps-valid':
      extensions.bitmaps === undefined ? undefined : (header.autoclearFeatures & BITMAPS_VALID) !== 0n,
    'data-file': extensions.dataFile,
    'data-file-raw':
      extensions.dataFile === undefined ? undefined : (header.autoclearFeatures & DATA_FILE_RAW) !== 0n,
  };
  return {
    clusterSize,
    dirty: hasFeature(header, Incompatible.dirty),
    ...(header.cryptMethod !== 0 && { encrypted: true }),
    ...(header.backingFile !== undefined && { backingFile: header.backingFile }),
    ...(extensions.backingFormat !== undefined && { backingFormat: extensions.backingFormat }),
    ...(snapshots.length > 0 && { snapshots: snapshots.map(({ snapshot }) => snapshot) }),
    specific: data,
  };
}
