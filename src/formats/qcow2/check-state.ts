/** What the parts of a check of one qcow2 share: the image, what has been counted, and where findings go. */

import { alignUp, ceilDiv } from '../../binary/align.ts';
import type { CheckRequest, FindingPlace } from '../../image/check.ts';
import type { ByteSource } from '../../io/source.ts';
import { type ClusterUses, clusterUses, type Use } from './cluster-uses.ts';
import { hasFeature, type Qcow2Header } from './header.ts';
import { type StoredRefcounts, storedRefcounts } from './refcounts.ts';
import { Incompatible } from './structs.ts';

export interface Qcow2Check {
  readonly source: ByteSource;
  readonly header: Qcow2Header;
  readonly request: CheckRequest<unknown>;
  readonly clusters: ClusterUses;
  readonly refcounts: StoredRefcounts;
  /** Is the guest data in another file? Then its clusters have no refcounts here. */
  readonly hasDataFile: boolean;
  /** Room for one decoded cluster. */
  readonly scratch: Uint8Array;
  readonly figures: { allocated: number; fragmented: number; compressed: number };
}

export async function beginCheck(
  source: ByteSource,
  header: Qcow2Header,
  request: CheckRequest<unknown>,
): Promise<Qcow2Check> {
  return {
    source,
    header,
    request,
    clusters: clusterUses(ceilDiv(source.size, header.clusterSize)),
    refcounts: await storedRefcounts(source, header, request.report),
    hasDataFile: hasFeature(header, Incompatible.dataFile),
    scratch: new Uint8Array(request.readsData ? header.clusterSize : 0),
    figures: { allocated: 0, fragmented: 0, compressed: 0 },
  };
}

/** A stretch of the file that something refers to. */
export interface Region {
  readonly use: Use;
  readonly fileOffset: number;
  readonly length: number;
  /** How many things refer to it. */
  readonly references: number;
  /** Where the reference stands. */
  readonly place: FindingPlace;
}

/** Uses of which several may be in one cluster: small compressed clusters share one, snapshots share L2 tables and data. */
const SHARED: readonly Use[] = ['data', 'compressed data', 'an L2 table'];

/** Counts a region's clusters. False when a part of it is past the end of the file; the other part is counted. */
export function refer(check: Qcow2Check, region: Region): boolean {
  const { clusters, header, request, source } = check;
  const { use, fileOffset, length, references, place } = region;
  if (length === 0) return true;
  const { clusterSize } = header;
  const first = Math.floor(fileOffset / clusterSize);
  const end = Math.min(ceilDiv(fileOffset + length, clusterSize), clusters.clusterCount);
  for (let cluster = first; cluster < end; cluster++) {
    const before = clusters.add(cluster, use, references);
    if (before === 'nothing' || (before === use && SHARED.includes(use))) continue;
    const message = () =>
      `The cluster at byte ${cluster * clusterSize} is ${use}, and ${before}${before === use ? ' already' : ', too'}.`;
    request.report.corruption('overlap', message, place);
  }
  // The file may end within its last cluster.
  if (fileOffset + length <= alignUp(source.size, clusterSize)) return true;
  const message = () =>
    `${use[0]?.toUpperCase()}${use.slice(1)} ends at byte ${fileOffset + length}, but the file has only ${source.size} bytes.`;
  request.report.corruption('past-end', message, place);
  return false;
}

/** In the active tables the flag says that the refcount is one, so that a write need not look. */
export async function checkCopied(
  { refcounts, clusters, header, request }: Qcow2Check,
  isCopied: boolean,
  fileOffset: number,
  place: { readonly fileOffset: number; readonly guestOffset?: number },
  what: string,
): Promise<void> {
  const cluster = Math.floor(fileOffset / header.clusterSize);
  if (cluster >= clusters.clusterCount) return;
  if (!refcounts.isAt(cluster)) await refcounts.seek(cluster);
  const refcount = refcounts.get(cluster);
  if (isCopied === (refcount === 1)) return;
  const says = isCopied ? 'is set' : 'is clear';
  const message = () => `The COPIED flag of ${what} ${says}, but the refcount of its cluster is ${refcount}.`;
  request.report.corruption('copied-flag', message, place);
}
