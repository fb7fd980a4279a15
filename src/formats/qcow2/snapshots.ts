/** The table of internal snapshots (`docs/interop/qcow2.txt`, "Snapshots"). */

import { alignUp, isAligned } from '../../binary/align.ts';
import type { InternalSnapshot } from '../../image/reader.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import { corrupt, type Qcow2Header } from './header.ts';
import { MAX_L1_BYTES, MAX_SNAPSHOT_EXTRA, snapshotHeader } from './structs.ts';

/** A snapshot, and where its L1 table stands. */
export interface SnapshotEntry {
  readonly snapshot: InternalSnapshot;
  readonly l1TableOffset: number;
  /** Entries. */
  readonly l1Size: number;
  /** Bytes of the disk at that time, where the entry tells it. */
  readonly diskSize: number | undefined;
}

/** @throws CorruptImageError for a table, or a snapshot's L1 table, that is not inside the file */
export async function readSnapshots(source: ByteSource, header: Qcow2Header): Promise<SnapshotEntry[]> {
  const snapshots: SnapshotEntry[] = [];
  let at = header.snapshotsOffset;
  for (let index = 0; index < header.nbSnapshots; index++) {
    const entry = await readSnapshot(source, header, at, index);
    snapshots.push(entry.entry);
    at = entry.end;
  }
  return snapshots;
}

async function readSnapshot(source: ByteSource, header: Qcow2Header, at: number, index: number) {
  const what = `The table entry of snapshot ${index + 1}`;
  const fixed = snapshotHeader.decode(await readBytes(source, at, snapshotHeader.size, what), at);
  const { extraLength, idLength, nameLength, l1Size, l1TableOffset } = fixed;
  if (extraLength > MAX_SNAPSHOT_EXTRA) {
    throw corrupt(
      'bad-table',
      `${what} has ${extraLength} bytes of extra data, at most 1024 are possible.`,
      at + 36,
    );
  }
  if (l1Size * 8 > MAX_L1_BYTES) {
    throw corrupt('bad-table', `${what} has an L1 table of ${l1Size} entries, more than 32 MiB.`, at + 8);
  }
  if (!isAligned(l1TableOffset, header.clusterSize)) {
    throw corrupt('bad-reference', `${what}: its L1 table at ${l1TableOffset} is not on a cluster.`, at);
  }
  requireInside(source, l1TableOffset, l1Size * 8, `${what}: its L1 table`);

  const names = await readBytes(source, at + snapshotHeader.size, extraLength + idLength + nameLength, what);
  const text = (start: number, length: number) =>
    new TextDecoder().decode(names.subarray(start, start + length));
  const extra = new DataView(names.buffer, 0, extraLength);
  const snapshot: InternalSnapshot = {
    id: text(extraLength, idLength),
    name: text(extraLength + idLength, nameLength),
    // The first extra field repeats the state size in 64 bits.
    stateSize: extraLength >= 8 ? Number(extra.getBigUint64(0)) : fixed.stateSize,
    seconds: fixed.seconds,
    nanoseconds: fixed.nanoseconds,
    clock: Number(fixed.clock),
  };
  const entry: SnapshotEntry = {
    snapshot,
    l1TableOffset,
    l1Size,
    diskSize: extraLength >= 16 ? requireSafe(extra.getBigUint64(8), at) : undefined,
  };
  return { entry, end: at + alignUp(snapshotHeader.size + names.length, 8) };
}

function requireSafe(value: bigint, at: number): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw corrupt('bad-table', `A snapshot of a disk of ${value} bytes is not possible.`, at);
}
