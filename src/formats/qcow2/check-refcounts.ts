/** Compares the refcounts of a file with the references that have been counted. */

import type { Qcow2Check } from './check-state.ts';

/** Returns the last cluster that is in use, or has a refcount; -1 without one. */
export async function compareRefcounts(check: Qcow2Check): Promise<number> {
  const { clusters, refcounts, request } = check;
  let last = -1;
  let pastEnd = 0;
  for (const [index, blockOffset] of refcounts.blockOffsets.entries()) {
    if (blockOffset === 0) continue;
    request.requireRunning();
    const first = index * refcounts.perBlock;
    await refcounts.seek(first);
    for (let cluster = first; cluster < first + refcounts.perBlock; cluster++) {
      const refcount = refcounts.get(cluster);
      if (cluster >= clusters.clusterCount) {
        if (refcount !== 0) pastEnd += 1;
        continue;
      }
      const references = clusters.count(cluster);
      if (refcount !== 0 || references !== 0) last = Math.max(last, cluster);
      if (refcount !== references) reportDifference(check, cluster, refcount, references);
    }
  }
  for (const cluster of clusters.used()) {
    const index = Math.floor(cluster / refcounts.perBlock);
    if ((refcounts.blockOffsets[index] ?? 0) !== 0) continue;
    last = Math.max(last, cluster);
    reportDifference(check, cluster, 0, clusters.count(cluster));
  }
  if (pastEnd > 0) {
    const message = () => `${pastEnd} clusters past the end of the file have a refcount.`;
    request.report.warning('refcount-past-end', message, { fileOffset: check.source.size });
  }
  return last;
}

function reportDifference(
  { header, request }: Qcow2Check,
  cluster: number,
  refcount: number,
  references: number,
): void {
  const place = { fileOffset: cluster * header.clusterSize };
  if (refcount > references) {
    const message = () => `Cluster ${cluster} has a refcount of ${refcount}, but ${references} references.`;
    request.report.leak('leaked-cluster', message, place);
  } else {
    const message = () => `Cluster ${cluster} has ${references} references, but a refcount of ${refcount}.`;
    request.report.corruption('refcount-too-low', message, place);
  }
}
