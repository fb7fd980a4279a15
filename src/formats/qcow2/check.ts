/**
 * Checks qcow2, versions 2 and 3 (`docs/interop/qcow2.txt`): counts the references to every cluster, and compares them
 * with the refcounts. Nothing that the image names is opened, and its guest data need not be readable.
 */

import { ceilDiv } from '../../binary/align.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import { checkBitmaps } from './check-bitmaps.ts';
import { compareRefcounts } from './check-refcounts.ts';
import { readSnapshotTable, referToSnapshotTable } from './check-snapshots.ts';
import { beginCheck, type Qcow2Check, refer } from './check-state.ts';
import { checkL1Place, checkL2Tables, countL2Tables, type L1Reference } from './check-tables.ts';
import { encryptionHeader } from './encryption.ts';
import { hasFeature, type Qcow2Header, readHeaderAlone } from './header.ts';
import { ExtensionType, Incompatible } from './structs.ts';

export async function checkQcow2(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const header = await readHeaderAlone(source);
  reportFlags(header, request);
  const check = await beginCheck(source, header, request);
  const snapshots = await readSnapshotTable(check);
  const tables = [activeL1(check), ...snapshots.l1Tables].filter((l1) => checkL1Place(check, l1));
  // All references to L2 tables first: how often one is referred to is how often everything below it is.
  for (const l1 of tables) await countL2Tables(check, l1);
  for (const l1 of tables) await checkL2Tables(check, l1);
  await referToHeader(check);
  referToSnapshotTable(check, snapshots);
  await checkBitmaps(check);
  referToRefcounts(check);
  const lastCluster = await compareRefcounts(check);
  return {
    imageEndOffset: (lastCluster + 1) * header.clusterSize,
    totalClusters: ceilDiv(header.size, header.clusterSize),
    allocatedClusters: check.figures.allocated,
    fragmentedClusters: check.figures.fragmented,
    compressedClusters: check.figures.compressed,
  };
}

function reportFlags(header: Qcow2Header, { report }: CheckRequest<unknown>): void {
  const place = { fileOffset: 72 };
  if (hasFeature(header, Incompatible.dirty)) {
    report.warning('dirty', () => 'The image was not closed cleanly: its refcounts may be behind.', place);
  }
  if (hasFeature(header, Incompatible.corrupt)) {
    const message = () => 'The image is marked as corrupt by the software that used it.';
    report.warning('marked-corrupt', message, place);
  }
}

function activeL1({ header, request }: Qcow2Check): L1Reference {
  const { l1Size, l1Needed, l1TableOffset } = header;
  if (l1Size < l1Needed) {
    const message = () => `The L1 table has ${l1Size} entries; the disk size needs ${l1Needed}.`;
    request.report.corruption('bad-table', message, { fileOffset: 36 });
  }
  return { fileOffset: l1TableOffset, size: l1Size, isActive: true, referredAt: 40 };
}

async function referToHeader(check: Qcow2Check): Promise<void> {
  const { header, request } = check;
  const place = { fileOffset: 0 };
  refer(check, { use: 'the header', fileOffset: 0, length: header.clusterSize, references: 1, place });
  const data = header.extensions.data.get(ExtensionType.encryptionHeader);
  if (data === undefined) return;
  await request.report.attempt(async () => {
    const { offset: fileOffset, length } = encryptionHeader.decode(data, header.headerLength);
    refer(check, { use: 'the encryption header', fileOffset, length, references: 1, place });
  }, place);
}

function referToRefcounts(check: Qcow2Check): void {
  const { header, refcounts } = check;
  const { clusterSize, refcountTableOffset, refcountTableClusters } = header;
  // A table that is not where it should be has been reported.
  if (refcounts.blockOffsets.length === 0) return;
  const length = refcountTableClusters * clusterSize;
  const place = { fileOffset: 48 };
  refer(check, { use: 'the refcount table', fileOffset: refcountTableOffset, length, references: 1, place });
  for (const [index, fileOffset] of refcounts.blockOffsets.entries()) {
    if (fileOffset === 0) continue;
    const entry = { fileOffset: refcountTableOffset + index * 8 };
    refer(check, { use: 'a refcount block', fileOffset, length: clusterSize, references: 1, place: entry });
  }
}
