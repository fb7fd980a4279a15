/**
 * Checks L1 tables and the L2 tables below them (`docs/interop/qcow2.txt`, "L1 table entry", "L2 table entry",
 * "Extended L2 Entries"): counts what they refer to, and looks at their flags.
 */

import { isAligned, MiB } from '../../binary/align.ts';
import { checkL2Table } from './check-entries.ts';
import { checkCopied, type Qcow2Check, refer } from './check-state.ts';
import { EntryHigh, EntryLow, MAX_L1_BYTES } from './structs.ts';

/** An L1 table: the active one, or a snapshot's. */
export interface L1Reference {
  readonly fileOffset: number;
  /** Entries. */
  readonly size: number;
  /** Only in the active one do the flags agree with the refcounts, and only it is held to the disk's size. */
  readonly isActive: boolean;
  /** Where it is referred to. */
  readonly referredAt: number;
}

/** Refers to the L1 table itself. False when it cannot be read; what is wrong with it has then been reported. */
export function checkL1Place(check: Qcow2Check, l1: L1Reference): boolean {
  const { report } = check.request;
  const place = { fileOffset: l1.referredAt };
  const bytes = l1.size * 8;
  if (bytes > MAX_L1_BYTES) {
    report.corruption('bad-table', () => `An L1 table of ${l1.size} entries is larger than 32 MiB.`, place);
    return false;
  }
  if (!isAligned(l1.fileOffset, check.header.clusterSize)) {
    report.corruption('unaligned', () => `The L1 table at ${l1.fileOffset} is not on a cluster.`, place);
    return false;
  }
  const region = {
    use: 'an L1 table',
    fileOffset: l1.fileOffset,
    length: bytes,
    references: 1,
    place,
  } as const;
  if (!refer(check, region)) return false;
  if (l1.fileOffset + bytes <= check.source.size) return true;
  report.corruption(
    'past-end',
    () => `The L1 table ends at byte ${l1.fileOffset + bytes}, past the end.`,
    place,
  );
  return false;
}

/** Counts the references to L2 tables: of all L1 tables, before any L2 table is looked at. */
export async function countL2Tables(check: Qcow2Check, l1: L1Reference): Promise<void> {
  const { report } = check.request;
  for await (const { fileOffset, high, low, guestOffset } of l1Entries(check, l1)) {
    const place = { fileOffset, ...(l1.isActive && { guestOffset }) };
    if ((high & EntryHigh.reservedL1) !== 0 || (low & EntryLow.reservedL1) !== 0) {
      report.corruption('reserved-bits', () => 'Reserved bits are set in an L1 entry.', place);
    }
    const offset = offsetOf(high, low);
    if (offset === 0) continue;
    if (!isAligned(offset, check.header.clusterSize)) {
      report.corruption('unaligned', () => `The L2 table at byte ${offset} is not on a cluster.`, place);
      continue;
    }
    const length = check.header.clusterSize;
    const region = { use: 'an L2 table', fileOffset: offset, length, references: 1, place } as const;
    if (refer(check, region) && offset + length > check.source.size) {
      const message = () => `The L2 table at byte ${offset} is cut off by the end of the file.`;
      report.corruption('past-end', message, place);
    }
    if (l1.isActive) await checkCopied(check, (high & EntryHigh.copied) !== 0, offset, place, 'an L1 entry');
  }
}

/** Looks into the L2 tables that have not been looked into yet. */
export async function checkL2Tables(check: Qcow2Check, l1: L1Reference): Promise<void> {
  const { clusters, header, source } = check;
  const table = new Uint8Array(header.clusterSize);
  for await (const { high, low, guestOffset } of l1Entries(check, l1)) {
    const fileOffset = offsetOf(high, low);
    if (fileOffset === 0 || !isAligned(fileOffset, header.clusterSize)) continue;
    const cluster = fileOffset / header.clusterSize;
    if (cluster >= clusters.clusterCount || !clusters.visit(cluster)) continue;
    check.request.requireRunning();
    const length = Math.min(table.length, source.size - fileOffset);
    await source.read(table.fill(0, length).subarray(0, length), fileOffset);
    const view = new DataView(table.buffer);
    const references = clusters.count(cluster);
    await checkL2Table(check, { view, fileOffset, guestOffset, references, isActive: l1.isActive });
  }
}

async function* l1Entries({ header, source, request }: Qcow2Check, l1: L1Reference) {
  const reach = header.clusterSize * header.l2Entries;
  const chunk = new Uint8Array(Math.min(l1.size * 8, MiB));
  const view = new DataView(chunk.buffer);
  for (let start = 0; start < l1.size * 8; start += chunk.length) {
    request.requireRunning();
    const length = Math.min(chunk.length, l1.size * 8 - start);
    await source.read(chunk.subarray(0, length), l1.fileOffset + start);
    for (let at = 0; at < length; at += 8) {
      const high = view.getUint32(at);
      const low = view.getUint32(at + 4);
      if (high === 0 && low === 0) continue;
      const guestOffset = ((start + at) / 8) * reach;
      yield { high, low, fileOffset: l1.fileOffset + start + at, guestOffset };
    }
  }
}

/** Without the flags and the reserved bits. */
const offsetOf = (high: number, low: number): number =>
  (high & EntryHigh.offset) * 2 ** 32 + ((low & ~EntryLow.reservedL1) >>> 0);
