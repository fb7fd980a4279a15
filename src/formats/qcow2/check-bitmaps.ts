/** Checks persistent bitmaps (`docs/interop/qcow2.txt`, "Bitmaps extension", "Bitmaps"). */

import { alignUp, isAligned, MiB } from '../../binary/align.ts';
import type { Decoded } from '../../binary/struct.ts';
import { readBytes } from '../../io/source.ts';
import { type Qcow2Check, refer } from './check-state.ts';
import {
  BITMAPS_VALID,
  bitmapEntry,
  type bitmapsExtension,
  EntryHigh,
  EntryLow,
  MAX_BITMAP_DIRECTORY_BYTES,
} from './structs.ts';

/** Flags that are known. */
const KNOWN_FLAGS = 7;
/** Limit of the format's own implementation. */
const MAX_TABLE_ENTRIES = 128 * MiB;

/** Bit 0 of a table entry without an offset: all bits are ones. */
const ALL_ONES = 1;

export async function checkBitmaps(check: Qcow2Check): Promise<void> {
  const { header, request, source } = check;
  const { bitmaps } = header.extensions;
  if (bitmaps === undefined) return;
  const { report } = request;
  // Without this bit the extension is what an older program left behind: whatever it refers to is not in use.
  if ((header.autoclearFeatures & BITMAPS_VALID) === 0n) {
    const message = () => 'There are bitmaps, but they are not marked as up to date.';
    report.warning('unused-space', message, { fileOffset: 88 });
    return;
  }
  if (!isDirectory(check, bitmaps)) return;
  const { directoryOffset, directorySize, count } = bitmaps;
  const directory = await report.attempt(() =>
    readBytes(source, directoryOffset, directorySize, 'The bitmap directory'),
  );
  if (directory === undefined) return;
  let at = 0;
  for (let index = 0; index < count; index++) {
    request.requireRunning();
    const fileOffset = directoryOffset + at;
    const rest = directory.subarray(at);
    const entry = await report.attempt(async () => bitmapEntry.decode(rest, fileOffset), { fileOffset });
    if (entry === undefined) return;
    await checkBitmap(check, entry, fileOffset);
    at += alignUp(bitmapEntry.size + entry.extraLength + entry.nameLength, 8);
    if (at > directory.length) {
      report.corruption('bad-table', () => `Bitmap ${index + 1} ends past the directory.`, { fileOffset });
      return;
    }
  }
}

function isDirectory(
  check: Qcow2Check,
  { directoryOffset, directorySize }: Decoded<typeof bitmapsExtension>,
): boolean {
  const place = { fileOffset: check.header.headerLength };
  const { report } = check.request;
  if (directorySize > MAX_BITMAP_DIRECTORY_BYTES) {
    report.corruption('bad-table', () => `A bitmap directory of ${directorySize} bytes.`, place);
    return false;
  }
  if (!isAligned(directoryOffset, check.header.clusterSize)) {
    const message = () => `The bitmap directory at ${directoryOffset} is not on a cluster.`;
    report.corruption('unaligned', message, place);
    return false;
  }
  return refer(check, {
    use: 'the bitmap directory',
    fileOffset: directoryOffset,
    length: directorySize,
    references: 1,
    place,
  });
}

async function checkBitmap(
  check: Qcow2Check,
  entry: Decoded<typeof bitmapEntry>,
  fileOffset: number,
): Promise<void> {
  const { report } = check.request;
  const place = { fileOffset };
  const { tableOffset, tableSize, flags, type } = entry;
  if (flags > KNOWN_FLAGS) report.corruption('reserved-bits', () => `Bitmap flags ${flags}.`, place);
  if (type !== 1) report.warning('unsupported-feature', () => `A bitmap of type ${type}.`, place);
  if (tableSize > MAX_TABLE_ENTRIES) {
    report.corruption('bad-table', () => `A bitmap table of ${tableSize} entries.`, place);
    return;
  }
  if (!isAligned(tableOffset, check.header.clusterSize)) {
    report.corruption('unaligned', () => `The bitmap table at ${tableOffset} is not on a cluster.`, place);
    return;
  }
  const length = tableSize * 8;
  const region = { use: 'a bitmap table', fileOffset: tableOffset, length, references: 1, place } as const;
  if (refer(check, region)) await checkBitmapTable(check, tableOffset, length);
}

async function checkBitmapTable(check: Qcow2Check, tableOffset: number, length: number): Promise<void> {
  const { header, request, source } = check;
  const { report } = request;
  for (let start = 0; start < length; start += MiB) {
    request.requireRunning();
    const part = await report.attempt(() =>
      readBytes(source, tableOffset + start, Math.min(MiB, length - start), 'A bitmap table'),
    );
    if (part === undefined) return;
    const view = new DataView(part.buffer);
    for (let at = 0; at < part.length; at += 8) {
      const high = view.getUint32(at);
      const low = view.getUint32(at + 4);
      const place = { fileOffset: tableOffset + start + at };
      const fileOffset = (high & EntryHigh.offset) * 2 ** 32 + ((low & ~EntryLow.reservedL1) >>> 0);
      const allowed = fileOffset === 0 ? ALL_ONES : 0;
      if ((high & ~EntryHigh.offset) !== 0 || (low & EntryLow.reservedL1 & ~allowed) !== 0) {
        report.corruption('reserved-bits', () => 'Reserved bits are set in a bitmap table.', place);
      }
      if (fileOffset === 0) continue;
      if (!isAligned(fileOffset, header.clusterSize)) {
        report.corruption('unaligned', () => `The bitmap at byte ${fileOffset} is not on a cluster.`, place);
        continue;
      }
      refer(check, { use: 'a bitmap', fileOffset, length: header.clusterSize, references: 1, place });
    }
  }
}
