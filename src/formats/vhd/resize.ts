/**
 * Grows fixed and dynamic VHD images in place ("Virtual Hard Disk Image Format Specification" 1.0). Everything that the
 * old footer tells stays true until the new one is on the disk.
 */

import { ceilDiv, SECTOR } from '../../binary/align.ts';
import { geometryOf } from '../../binary/chs.ts';
import { OptionError, UnsupportedFeatureError } from '../../errors.ts';
import type { ByteEditor } from '../../io/editor.ts';
import { readBytes } from '../../io/source.ts';
import { isZero } from '../../io/zeros.ts';
import { type FoundFooter, findFooter } from './footer.ts';
import { readHeader } from './reader.ts';
import { geometryOfFooter, sizeRuleOf, virtualSizeBy } from './size.ts';
import {
  bitmapSizeOf,
  DiskType,
  encodeDynamicHeader,
  encodeFooter,
  MAX_VIRTUAL_SIZE,
  UNUSED_ENTRY,
  type VhdFooter,
} from './structs.ts';

/** @throws OptionError `bad-size`, UnsupportedFeatureError `unsupported-feature` before anything is written */
export async function growVhd(file: ByteEditor, virtualSize: number): Promise<void> {
  const found = await findFooter(file);
  const oldSize = virtualSizeBy(sizeRuleOf(found.footer), found.footer);
  const footer = grownFooter(found.footer, virtualSize);
  const isSound = found.notes.length === 0 && found.fileOffset === file.size - SECTOR;
  if (!isSound) throw cannotGrow('A footer of the image is damaged.');
  if (found.footer.currentSize !== oldSize) {
    throw cannotGrow('The image says two sizes, and what is behind the smaller one is not known.');
  }
  if (footer.diskType === DiskType.fixed) await growFixed(file, found, footer);
  else if (footer.diskType === DiskType.dynamic) await growDynamic(file, found, footer, oldSize);
  else throw cannotGrow('A differencing disk is as large as its parent.');
}

/**
 * The footer of the grown disk. Readers who go by the geometry must see that size too, so not every size is possible
 * for an image of a creator whose images they read so.
 */
function grownFooter(footer: VhdFooter, virtualSize: number): VhdFooter {
  if (virtualSize > MAX_VIRTUAL_SIZE) {
    throw new OptionError('bad-size', `A VHD cannot hold a disk of ${virtualSize} bytes.`, {
      format: 'vhd',
      hint: 'It holds 2040 GiB at most. Convert larger disks to qcow2, raw or ZVHD2.',
    });
  }
  const candidates = [geometryOf(virtualSize), geometryOfFooter(footer)].map((geometry) => ({
    ...footer,
    ...geometry,
    currentSize: virtualSize,
    // libvhdi takes this one for the size of the disk.
    originalSize: virtualSize,
  }));
  const grown = candidates.find(
    (candidate) => virtualSizeBy(sizeRuleOf(candidate), candidate) === virtualSize,
  );
  if (grown) return grown;
  const message = `The guest sees cylinders, heads and sectors of this image, and ${virtualSize} bytes are no product of such.`;
  throw new OptionError('bad-size', message, {
    format: 'vhd',
    hint: `The next size that is one: ${nextProduct(virtualSize)}. Or convert with --size, to an image of exactly that size.`,
  });
}

/** The smallest size from `size` on that a geometry addresses exactly. */
function nextProduct(size: number): number {
  let at = size;
  for (;;) {
    const { cylinders, heads, sectorsPerTrack } = geometryOf(at);
    const product = cylinders * heads * sectorsPerTrack * SECTOR;
    if (product >= size) return product;
    at += SECTOR;
  }
}

/** The footer is the end of the file: the new one is written behind where the data will end, then the old one is erased. */
async function growFixed(file: ByteEditor, { fileOffset }: FoundFooter, footer: VhdFooter): Promise<void> {
  if (footer.currentSize <= fileOffset) {
    throw cannotGrow('There are bytes between the end of the disk and the footer.');
  }
  await file.write(encodeFooter(footer), footer.currentSize);
  await file.flush();
  await file.write(new Uint8Array(SECTOR), fileOffset);
  await file.flush();
}

/** The block allocation table grows first, then the header that tells its length, then the footers, copy first. */
async function growDynamic(
  file: ByteEditor,
  { fileOffset: dataEnd, footer: oldFooter }: FoundFooter,
  footer: VhdFooter,
  oldSize: number,
): Promise<void> {
  const { header, headerOffset } = await readHeader(file, oldFooter);
  const { blockSize, tableOffset, maxTableEntries } = header;
  const oldEntries = ceilDiv(oldSize, blockSize);
  const entries = ceilDiv(footer.currentSize, blockSize);
  const table = await readTable(file, tableOffset, oldEntries);
  const room = tableRoom(table, tableOffset, headerOffset, dataEnd);
  if (entries > Math.max(room, maxTableEntries)) {
    const most = Math.max(room, maxTableEntries) * blockSize;
    throw cannotGrow(`The block allocation table has no room for more than ${most} bytes of disk.`);
  }
  await clearTail(file, table, { oldSize, blockSize, dataEnd });
  if (entries > oldEntries) {
    await file.write(new Uint8Array((entries - oldEntries) * 4).fill(0xff), tableOffset + oldEntries * 4);
    await file.flush();
  }
  if (entries > maxTableEntries) {
    // All that changes is in the header's first sector, so that it is the old header or the new one.
    const bytes = encodeDynamicHeader({ ...header, maxTableEntries: entries });
    await file.write(bytes.subarray(0, SECTOR), headerOffset);
    await file.flush();
  }
  await file.write(encodeFooter(footer), 0);
  await file.flush();
  await file.write(encodeFooter(footer), dataEnd);
  await file.flush();
}

async function readTable(file: ByteEditor, tableOffset: number, entries: number): Promise<Uint32Array> {
  const bytes = await readBytes(file, tableOffset, entries * 4, 'The block allocation table');
  const view = new DataView(bytes.buffer);
  return Uint32Array.from({ length: entries }, (_, index) => view.getUint32(index * 4));
}

/** How many entries fit before whatever comes next in the file. */
function tableRoom(table: Uint32Array, tableOffset: number, headerOffset: number, dataEnd: number): number {
  let end = headerOffset > tableOffset ? Math.min(headerOffset, dataEnd) : dataEnd;
  for (const entry of table) {
    const start = entry * SECTOR;
    if (entry !== UNUSED_ENTRY && start > tableOffset && start < end) end = start;
  }
  return Math.floor((end - tableOffset) / 4);
}

/** What stands in the last block behind the end of the disk is about to be seen: it must be zeros. */
async function clearTail(
  file: ByteEditor,
  table: Uint32Array,
  { oldSize, blockSize, dataEnd }: { oldSize: number; blockSize: number; dataEnd: number },
): Promise<void> {
  const used = oldSize % blockSize;
  const entry = table.at(-1) ?? UNUSED_ENTRY;
  if (used === 0 || entry === UNUSED_ENTRY) return;
  const start = entry * SECTOR + bitmapSizeOf(blockSize);
  if (start + blockSize > dataEnd) throw cannotGrow('The last block is not whole in the file.');
  const tail = await readBytes(file, start + used, blockSize - used, 'The last block');
  if (isZero(tail)) return;
  await file.write(new Uint8Array(tail.length), start + used);
  await file.flush();
}

const cannotGrow = (reason: string): UnsupportedFeatureError =>
  new UnsupportedFeatureError('unsupported-feature', `The disk cannot grow in place. ${reason}`, {
    format: 'vhd',
    hint: 'Convert it with diskimg convert --size.',
  });
