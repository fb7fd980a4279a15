/** Checks the table of internal snapshots (`docs/interop/qcow2.txt`, "Snapshots"). */

import { alignUp, isAligned } from '../../binary/align.ts';
import type { FindingReport } from '../../image/check.ts';
import { readBytes } from '../../io/source.ts';
import { type Qcow2Check, refer } from './check-state.ts';
import type { L1Reference } from './check-tables.ts';
import { MAX_SNAPSHOT_EXTRA, MAX_SNAPSHOTS, snapshotHeader } from './structs.ts';

/** Where the table stands, and the L1 tables that it names. */
export interface SnapshotTable {
  readonly l1Tables: readonly L1Reference[];
  readonly length: number;
}

/** Reads as much of the table as can be read. */
export async function readSnapshotTable({ source, header, request }: Qcow2Check): Promise<SnapshotTable> {
  const { report } = request;
  const { nbSnapshots, snapshotsOffset } = header;
  if (nbSnapshots === 0) return { l1Tables: [], length: 0 };
  if (nbSnapshots > MAX_SNAPSHOTS) {
    const message = () => `${nbSnapshots} snapshots, at most 65536 are possible.`;
    report.corruption('bad-table', message, { fileOffset: 60 });
  }
  if (!isAligned(snapshotsOffset, header.clusterSize)) {
    const message = () => `The snapshot table at ${snapshotsOffset} is not on a cluster.`;
    report.corruption('unaligned', message, { fileOffset: 64 });
    return { l1Tables: [], length: 0 };
  }
  const l1Tables: L1Reference[] = [];
  let at = snapshotsOffset;
  for (let index = 0; index < Math.min(nbSnapshots, MAX_SNAPSHOTS); index++) {
    request.requireRunning();
    const what = `The table entry of snapshot ${index + 1}`;
    const entry = await report.attempt(
      async () => snapshotHeader.decode(await readBytes(source, at, snapshotHeader.size, what), at),
      { fileOffset: at },
    );
    if (entry === undefined) break;
    if (entry.extraLength > MAX_SNAPSHOT_EXTRA) {
      const message = () =>
        `${what} has ${entry.extraLength} bytes of extra data, at most 1024 are possible.`;
      report.corruption('bad-table', message, { fileOffset: at + 36 });
      break;
    }
    const rest = entry.extraLength + entry.idLength + entry.nameLength;
    const more = await report.attempt(() => readBytes(source, at + snapshotHeader.size, rest, what));
    if (more === undefined) break;
    requireDiskSize(more.subarray(0, entry.extraLength), at, report);
    l1Tables.push({ fileOffset: entry.l1TableOffset, size: entry.l1Size, isActive: false, referredAt: at });
    at += alignUp(snapshotHeader.size + rest, 8);
  }
  return { l1Tables, length: at - snapshotsOffset };
}

/** Where the extra data tells it, the disk has a size that can be. */
function requireDiskSize(extra: Uint8Array, at: number, report: FindingReport): void {
  if (extra.length < 16) return;
  const size = new DataView(extra.buffer, extra.byteOffset).getBigUint64(8);
  if (size <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  const message = () => `A snapshot of a disk of ${size} bytes is not possible.`;
  report.corruption('bad-table', message, { fileOffset: at + snapshotHeader.size + 8 });
}

export function referToSnapshotTable(check: Qcow2Check, { length }: SnapshotTable): void {
  const { snapshotsOffset: fileOffset } = check.header;
  refer(check, {
    use: 'the snapshot table',
    fileOffset,
    length,
    references: 1,
    place: { fileOffset: 64 },
  });
}
