/**
 * Grows qcow2 images in place (`docs/interop/qcow2.txt`). What the old header tells stays true until the new one is on
 * the disk, which is one sector; before and after it clusters may be counted that nobody refers to.
 */

import { alignDown, alignUp, ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { OptionError } from '../../errors.ts';
import type { OwnExtent, PackedExtent } from '../../image/extent.ts';
import type { ImageReader } from '../../image/reader.ts';
import type { ByteEditor } from '../../io/editor.ts';
import { readBytes } from '../../io/source.ts';
import { isZero } from '../../io/zeros.ts';
import { hasFeature, type Qcow2Header, readHeader, unsupported } from './header.ts';
import { appendL1, type MovedTables } from './move-l1.ts';
import { openQcow2 } from './reader.ts';
import {
  BASE_HEADER_LENGTH,
  baseHeader,
  EntryHigh,
  featureHeader,
  Incompatible,
  MAX_L1_BYTES,
} from './structs.ts';

/** The header's fields that change are all in here; a disk writes it whole or not at all. */
const HEADER_SECTOR = 512;

/** @throws OptionError `bad-size`, ImageError of other classes when the image is in the way, before anything is written */
export async function growQcow2(file: ByteEditor, virtualSize: number): Promise<void> {
  const header = await readHeader(file);
  const reader = await openQcow2(file, { snapshot: undefined });
  requireGrowable(header, reader);
  const l1Size = ceilDiv(virtualSize, header.clusterSize * header.l2Entries);
  if (l1Size * 8 > MAX_L1_BYTES) {
    const message = `A disk of ${virtualSize} bytes has too many clusters of ${header.clusterSize} bytes.`;
    const hint = 'Convert it with a larger cluster_size.';
    throw new OptionError('bad-size', message, { format: 'qcow2', hint });
  }
  await requireNothingBehind(file, header, l1Size);
  await clearTail(file, header, reader);
  const moved = l1Size > header.l1Size ? await appendL1(file, header, l1Size) : undefined;
  await switchHeader(file, header, virtualSize, moved);
  await moved?.release();
}

/** @throws ImageError unless it is an image of its own, in order, of which nothing else remembers the size */
function requireGrowable(header: Qcow2Header, reader: ImageReader): void {
  if (reader.obstacle) throw reader.obstacle;
  if (header.backingFile !== undefined) {
    throw cannotGrow('It builds on a backing file, which would show in the new part.', 8);
  }
  if (header.nbSnapshots > 0) throw cannotGrow('It has internal snapshots.', 60);
  if (hasFeature(header, Incompatible.dirty)) {
    throw cannotGrow('It was not closed cleanly, and its refcounts may be wrong.', 72);
  }
  if (header.extensions.bitmaps) throw cannotGrow('It has persistent bitmaps.', header.headerLength);
  if (header.l2EntrySize !== 8 && header.size % header.clusterSize !== 0) {
    throw cannotGrow('It has extended L2 entries, and ends within a cluster.', 24);
  }
}

/** Entries past the end of the disk are about to count: there must be none. */
async function requireNothingBehind(file: ByteEditor, header: Qcow2Header, l1Size: number): Promise<void> {
  const { clusterSize, l1TableOffset, l1Needed, l2Entries, l2EntrySize, size } = header;
  const l1 = await readBytes(file, l1TableOffset, Math.min(l1Size, header.l1Size) * 8, 'The L1 table');
  const clusters = ceilDiv(size, clusterSize);
  const used = (clusters - Math.max(0, l1Needed - 1) * l2Entries) * l2EntrySize;
  const l2Offset = l1Needed === 0 ? 0 : offsetIn(l1, (l1Needed - 1) * 8);
  const l2 = l2Offset === 0 ? l1.subarray(0, 0) : await readBytes(file, l2Offset, clusterSize, 'An L2 table');
  if (isZero(l1.subarray(l1Needed * 8)) && isZero(l2.subarray(used))) return;
  throw cannotGrow('Its tables have entries past the end of the disk.', l1TableOffset);
}

function offsetIn(table: Uint8Array, at: number): number {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  return (view.getUint32(at) & EntryHigh.offset) * 2 ** 32 + view.getUint32(at + 4);
}

/** What stands in the last cluster behind the end of the disk is about to be seen: it must be zeros. */
async function clearTail(
  file: ByteEditor,
  { size, clusterSize }: Qcow2Header,
  reader: ImageReader,
): Promise<void> {
  if (size % clusterSize === 0) return;
  const last = await lastExtent(reader, alignDown(size, clusterSize), size);
  if (last?.kind === 'packed') await requireZeroTail(file, last);
  if (last?.kind !== 'data') return;
  const start = last.fileOffset + last.length;
  const tail = new Uint8Array(alignUp(start, clusterSize) - start);
  const present = Math.max(0, Math.min(tail.length, file.size - start));
  await file.read(tail.subarray(0, present), start);
  if (present === tail.length && isZero(tail)) return;
  await file.write(tail.fill(0), start);
  await file.flush();
}

async function lastExtent(reader: ImageReader, from: number, to: number): Promise<OwnExtent | undefined> {
  let last: OwnExtent | undefined;
  for await (const extent of reader.extents(from, to)) last = extent;
  return last;
}

async function requireZeroTail(file: ByteEditor, extent: PackedExtent): Promise<void> {
  if (extent.codec === 'cipher') throw new TypeError('encrypted images are not grown');
  const stored = await readBytes(file, extent.fileOffset, extent.storedLength, 'A compressed cluster');
  const cluster = new Uint8Array(extent.unpackedLength);
  codecOf(extent.codec).unpack(stored, cluster);
  if (isZero(cluster.subarray(extent.length))) return;
  throw cannotGrow('Its last cluster is compressed, with data past the end of the disk.', extent.fileOffset);
}

async function switchHeader(
  file: ByteEditor,
  header: Qcow2Header,
  size: number,
  moved: MovedTables | undefined,
): Promise<void> {
  const sector = await readBytes(file, 0, HEADER_SECTOR, 'The header');
  sector.set(baseHeader.encode({ ...header, ...moved?.fields, size }));
  // An autoclear bit says that something is up to date which only a program that knows it keeps so.
  if (header.version > 2) {
    sector.set(featureHeader.encode({ ...header, autoclearFeatures: 0n }), BASE_HEADER_LENGTH);
  }
  await file.write(sector, 0);
  await file.flush();
}

const cannotGrow = (reason: string, fileOffset: number) =>
  unsupported(
    'unsupported-feature',
    `The disk cannot grow in place. ${reason}`,
    fileOffset,
    'Convert it with diskimg convert --size.',
  );
