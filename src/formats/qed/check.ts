/** Checks QED: every table and cluster on a place of its own in the file; what nobody refers to is lost space. */

import { ceilDiv } from '../../binary/align.ts';
import { BudgetError } from '../../errors.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { tablePieces } from '../../image/table-pieces.ts';
import type { ByteSource } from '../../io/source.ts';
import { has, readHeader } from './header.ts';
import { judge } from './reader.ts';
import { Feature, qedHeader, ZERO_CLUSTER } from './structs.ts';

/** A bit for each cluster of the file. */
const MAX_USED_BYTES = 2 ** 29;

export async function checkQed(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report, requireRunning } = request;
  const image = await report.attempt(() => readHeader(source));
  if (image === undefined) return { imageEndOffset: source.size };
  const { header, entries } = image;
  const { clusterSize, headerSize, tableSize, l1TableOffset, imageSize } = header;
  const clusterCount = ceilDiv(source.size, clusterSize);
  if (clusterCount / 8 > MAX_USED_BYTES) {
    throw new BudgetError('over-budget', `A file of ${clusterCount} clusters is too large to check.`, {
      format: 'qed',
    });
  }
  if (has(header, Feature.needCheck)) {
    const message = () => 'The image was not closed cleanly.';
    report.warning('dirty', message, { fileOffset: qedHeader.fields.features.at });
  }
  const used = new Uint8Array(ceilDiv(clusterCount, 8));
  let imageEndOffset = 0;
  /** Marks clusters; false when one of them is in use. */
  function use(offset: number, length: number): boolean {
    let isFree = true;
    const last = Math.min(clusterCount, ceilDiv(offset + length, clusterSize));
    for (let cluster = offset / clusterSize; cluster < last; cluster++) {
      const at = Math.floor(cluster / 8);
      const bit = 1 << (cluster % 8);
      if (((used[at] as number) & bit) !== 0) isFree = false;
      used[at] = (used[at] as number) | bit;
    }
    imageEndOffset = Math.max(imageEndOffset, Math.min(source.size, offset + length));
    return isFree;
  }
  use(0, headerSize * clusterSize);
  use(l1TableOffset, tableSize * clusterSize);

  const pieces = tablePieces(source, 'A table');
  let allocated = 0;
  let fragmented = 0;
  let next = 0;
  /** What the entries of a table refer to: those that are sound. */
  async function* places(
    table: number,
    count: number,
    what: string,
    length: number,
    guestStep: number,
    guest: number,
  ) {
    for (let index = 0; index < count; ) {
      requireRunning();
      const at = table + index * 8;
      const view = await report.attempt(() => pieces.read(at, (count - index) * 8), { fileOffset: at });
      if (view === undefined) return;
      for (let within = 0; within < view.byteLength; within += 8, index++) {
        const entry = view.getBigUint64(within, true);
        if (entry === 0n || (guestStep === clusterSize && entry === BigInt(ZERO_CLUSTER))) continue;
        const guestOffset = guest + index * guestStep;
        const fileOffset = at + within;
        const place = judge(source, image as NonNullable<typeof image>, entry, { what, length });
        if (typeof place !== 'number') {
          report.corruption(place.code, place.message, { fileOffset, guestOffset });
          continue;
        }
        if (!use(place, length)) {
          const message = () => `${what} at byte ${place} stands on something else.`;
          report.corruption('overlap', message, { fileOffset, guestOffset });
        }
        yield { place, guestOffset };
      }
    }
  }

  const reach = clusterSize * entries;
  const l1Count = Math.min(entries, ceilDiv(imageSize, reach));
  const tableLength = clusterSize * tableSize;
  if (l1TableOffset + l1Count * 8 > source.size) {
    const message = () =>
      `The L1 table should end at byte ${l1TableOffset + l1Count * 8}, but the file has only ${source.size} bytes.`;
    report.corruption('truncated', message, { fileOffset: qedHeader.fields.l1TableOffset.at });
  }
  for await (const l2 of places(l1TableOffset, l1Count, 'An L2 table', tableLength, reach, 0)) {
    const left = ceilDiv(imageSize - l2.guestOffset, clusterSize);
    for await (const { place } of places(
      l2.place,
      Math.min(entries, left),
      'A cluster',
      clusterSize,
      clusterSize,
      l2.guestOffset,
    )) {
      allocated += 1;
      if (next !== 0 && place !== next) fragmented += 1;
      next = place + clusterSize;
    }
  }
  for (let cluster = 0; cluster < clusterCount; cluster++) {
    if (((used[Math.floor(cluster / 8)] as number) & (1 << (cluster % 8))) !== 0) continue;
    const fileOffset = cluster * clusterSize;
    report.leak('leaked-cluster', () => `Nothing refers to the cluster at byte ${fileOffset}.`, {
      fileOffset,
    });
  }
  return {
    imageEndOffset,
    totalClusters: ceilDiv(imageSize, clusterSize),
    allocatedClusters: allocated,
    fragmentedClusters: fragmented,
    compressedClusters: 0,
  };
}
