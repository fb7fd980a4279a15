/** Checks the first QCOW: every table and cluster within the file, and decoded where that is asked for. */

import { ceilDiv } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { tablePieces } from '../../image/table-pieces.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type Entry, judge } from './entry.ts';
import { readHeader } from './header.ts';
import { qcowHeader } from './structs.ts';

export async function checkQcow(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report, readsData, requireRunning } = request;
  const image = await report.attempt(() => readHeader(source));
  if (image === undefined) return { imageEndOffset: source.size };
  const { header, clusterSize, l2Entries } = image;
  const { size, l1TableOffset, cryptMethod } = header;
  const reach = clusterSize * l2Entries;
  const l1End = l1TableOffset + ceilDiv(size, reach) * 8;
  if (l1End > source.size) {
    const message = () =>
      `The L1 table should end at byte ${l1End}, but the file has only ${source.size} bytes.`;
    report.corruption('truncated', message, { fileOffset: qcowHeader.fields.l1TableOffset.at });
  }
  const pieces = tablePieces(source, 'A table');
  const block = new Uint8Array(clusterSize);
  let imageEndOffset = Math.min(source.size, l1End);
  let allocated = 0;
  let compressed = 0;
  let fragmented = 0;
  let next = 0;

  /** The places that the entries of a table say. */
  async function* places(
    table: number,
    count: number,
    guestOffset: number,
    what: string,
    step: number,
    length: number,
  ) {
    for (let index = 0; index < count; ) {
      requireRunning();
      const at = table + index * 8;
      const view = await report.attempt(() => pieces.read(at, (count - index) * 8), { fileOffset: at });
      if (view === undefined) return;
      for (let within = 0; within + 8 <= view.byteLength; within += 8, index++) {
        const guest = guestOffset + index * step;
        const entry: Entry = {
          value: view.getBigUint64(within),
          what,
          length: what === 'A cluster' ? Math.min(length, size - guest) : length,
          fileOffset: at + within,
          guestOffset: guest,
        };
        const place = judge(source.size, image as NonNullable<typeof image>, entry);
        if (place.kind === 'bad') report.corruption(place.code, place.message, entry);
        if (place.kind === 'bad' || place.kind === 'none') continue;
        yield { place, guest, entryOffset: at + within };
      }
    }
  }

  for await (const { place: table, guest } of places(
    l1TableOffset,
    ceilDiv(size, reach),
    0,
    'An L2 table',
    reach,
    l2Entries * 8,
  )) {
    imageEndOffset = Math.max(imageEndOffset, table.fileOffset + l2Entries * 8);
    const count = Math.min(l2Entries, ceilDiv(size - guest, clusterSize));
    for await (const cluster of places(
      table.fileOffset,
      count,
      guest,
      'A cluster',
      clusterSize,
      clusterSize,
    )) {
      const { place } = cluster;
      const length = place.kind === 'packed' ? place.storedLength : clusterSize;
      allocated += 1;
      if (next !== 0 && place.fileOffset !== next) fragmented += 1;
      next = place.fileOffset + length;
      imageEndOffset = Math.max(imageEndOffset, Math.min(source.size, next));
      if (place.kind !== 'packed') continue;
      compressed += 1;
      if (!readsData || cryptMethod !== 0) continue;
      const where = { fileOffset: cluster.entryOffset, guestOffset: cluster.guest };
      await report.attempt(async () => {
        const stored = await readBytes(source, place.fileOffset, place.storedLength, 'A cluster');
        codecOf('deflate').unpack(stored, block);
      }, where);
    }
  }
  return {
    imageEndOffset,
    totalClusters: ceilDiv(size, clusterSize),
    allocatedClusters: allocated,
    fragmentedClusters: fragmented,
    compressedClusters: compressed,
  };
}
