/** Checks the entries of one L2 table, standard, compressed and extended ones. */

import { alignUp, isAligned } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { readBytes } from '../../io/source.ts';
import { checkCopied, type Qcow2Check, refer } from './check-state.ts';
import { DATA_FILE_RAW, EntryHigh, EntryLow, SUBCLUSTERS } from './structs.ts';

/** An L2 table in memory. */
export interface CheckedTable {
  readonly view: DataView;
  readonly fileOffset: number;
  /** Guest offset of its first entry. */
  readonly guestOffset: number;
  /** How many L1 entries refer to it, and so to everything below it. */
  readonly references: number;
  readonly isActive: boolean;
}

/** An entry, in two halves; `low` without the zero flag of a standard entry. */
interface Entry {
  readonly high: number;
  readonly low: number;
  readonly at: number;
  readonly place: { readonly fileOffset: number; readonly guestOffset: number };
}

export async function checkL2Table(check: Qcow2Check, table: CheckedTable): Promise<void> {
  const { l2EntrySize, clusterSize, l2Entries } = check.header;
  /** Behind the cluster before, while clusters follow each other. */
  const run = { next: 0 };
  for (let index = 0; index < l2Entries; index++) {
    const at = index * l2EntrySize;
    const high = table.view.getUint32(at);
    const low = table.view.getUint32(at + 4);
    const isEmpty = high === 0 && low === 0;
    if (isEmpty && (l2EntrySize === 8 || table.view.getUint32(at + 12) === 0)) continue;
    const guestOffset = table.guestOffset + index * clusterSize;
    const entry: Entry = { high, low, at, place: { fileOffset: table.fileOffset + at, guestOffset } };
    if ((high & EntryHigh.compressed) !== 0) await checkCompressed(check, table, entry);
    else await checkStandard(check, table, entry, run);
  }
}

async function checkStandard(
  check: Qcow2Check,
  table: CheckedTable,
  { high, low, at, place }: Entry,
  run: { next: number },
): Promise<void> {
  const { header, request, hasDataFile, figures } = check;
  const { report } = request;
  const isExtended = header.l2EntrySize === 16;
  const isCopied = (high & EntryHigh.copied) !== 0;
  const hasZeroFlag = (low & EntryLow.zero) !== 0;
  const knowsZeroFlag = header.version >= 3 && !isExtended;
  const reserved = EntryLow.reserved | (knowsZeroFlag ? 0 : EntryLow.zero);
  if ((high & EntryHigh.reserved) !== 0 || (low & reserved) !== 0) {
    report.corruption('reserved-bits', () => 'Reserved bits are set in an L2 entry.', place);
  }
  const offset = (high & EntryHigh.offset) * 2 ** 32 + ((low & ~(EntryLow.zero | EntryLow.reserved)) >>> 0);
  const isAllocated = offset !== 0 || (hasDataFile && isCopied);
  if (isExtended) checkSubclusters(check, table, at, isAllocated, place);
  if (!isAllocated) return;
  if (!isAligned(offset, header.clusterSize)) {
    report.corruption(
      'unaligned',
      () => `The cluster at byte ${offset} is not on a cluster boundary.`,
      place,
    );
  }
  if (table.isActive) {
    figures.allocated += 1;
    if (run.next !== 0 && run.next !== offset) figures.fragmented += 1;
    run.next = offset + header.clusterSize;
  }
  if (hasDataFile) {
    const isRaw = (header.autoclearFeatures & DATA_FILE_RAW) !== 0n;
    if (!isRaw || offset === place.guestOffset) return;
    const message = () => `The cluster is at byte ${offset} of a data file that is to be the raw disk.`;
    report.corruption('bad-reference', message, place);
    return;
  }
  const { references } = table;
  const region = { use: 'data', fileOffset: offset, length: header.clusterSize, references, place } as const;
  if (!refer(check, region) || !table.isActive) return;
  const needed = isExtended
    ? subclustersEnd(table.view, at, header.clusterSize)
    : knowsZeroFlag && hasZeroFlag
      ? 0
      : header.clusterSize;
  const end = offset + Math.min(needed, Math.max(0, header.size - place.guestOffset));
  if (end > check.source.size) {
    const message = () => `Data ends at byte ${end}, but the file has only ${check.source.size} bytes.`;
    report.corruption('past-end', message, place);
  }
  await checkCopied(check, isCopied, offset, place, 'an L2 entry');
}

function checkSubclusters(
  { request }: Qcow2Check,
  { view }: CheckedTable,
  at: number,
  isAllocated: boolean,
  place: Entry['place'],
): void {
  const zeros = view.getUint32(at + 8);
  const allocated = view.getUint32(at + 12);
  if ((zeros & allocated) !== 0) {
    request.report.corruption('bad-table', () => 'A subcluster is both allocated and zero.', place);
  }
  if (allocated !== 0 && !isAllocated) {
    const message = () => 'Subclusters are allocated, but the cluster has no place.';
    request.report.corruption('bad-reference', message, place);
  }
}

/** Bytes from the start of the cluster to the end of its last subcluster that holds data. */
function subclustersEnd(view: DataView, at: number, clusterSize: number): number {
  const allocated = view.getUint32(at + 12);
  return (SUBCLUSTERS - Math.clz32(allocated)) * (clusterSize / SUBCLUSTERS);
}

async function checkCompressed(
  check: Qcow2Check,
  table: CheckedTable,
  { high, low, at, place }: Entry,
): Promise<void> {
  const { header, request, hasDataFile, figures, source } = check;
  const { report } = request;
  if (table.isActive) {
    figures.allocated += 1;
    figures.fragmented += 1; // it is read in sectors, which it shares with others
    figures.compressed += 1;
  }
  if (hasDataFile) {
    report.corruption('bad-reference', () => 'A cluster is compressed, but data is in another file.', place);
    return;
  }
  if ((high & EntryHigh.copied) !== 0) {
    report.corruption('copied-flag', () => 'The COPIED flag of a compressed cluster is set.', place);
  }
  if (header.l2EntrySize === 16 && (table.view.getUint32(at + 8) | table.view.getUint32(at + 12)) !== 0) {
    report.corruption('reserved-bits', () => 'A compressed cluster has subclusters.', place);
  }
  // Offset and further sectors share 62 bits; where the border is depends on the cluster size.
  const offsetBitsInHigh = 62 - (header.clusterBits - 8) - 32;
  const descriptor = high & ~(EntryHigh.copied | EntryHigh.compressed);
  const fileOffset = (descriptor & (2 ** offsetBitsInHigh - 1)) * 2 ** 32 + low;
  const sectors = (descriptor >>> offsetBitsInHigh) + 1;
  const end = fileOffset - (fileOffset % 512) + sectors * 512;
  const { references } = table;
  const length = end - fileOffset;
  const isInFile = refer(check, { use: 'compressed data', fileOffset, length, references, place });
  if (!isInFile) return;
  // A file that ends within its last cluster has to hold all sectors of a payload; of its last sector a part will do.
  if (fileOffset >= source.size || end > alignUp(source.size, 512)) {
    const message = () => `A payload ends at byte ${end}, but the file has only ${source.size} bytes.`;
    report.corruption('past-end', message, place);
    return;
  }
  if (!request.readsData || header.cryptMethod !== 0) return;
  request.requireRunning();
  await report.attempt(async () => {
    const available = Math.min(end, source.size) - fileOffset;
    const stored = await readBytes(source, fileOffset, available, 'A compressed cluster');
    codecOf(header.compressionType === 'zstd' ? 'zstd' : 'deflate').unpack(stored, check.scratch);
  }, place);
}
