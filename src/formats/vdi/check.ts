/** Checks VDI: the header, where the blocks of the map stand, and whether they are as many as the header says. */

import { ceilDiv, SECTOR } from '../../binary/align.ts';
import type { CheckFigures, CheckRequest } from '../../image/check.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { blockOffset, isPlace } from './block-map.ts';
import { readHeader } from './header.ts';
import { type VdiHeader, vdiHeader } from './structs.ts';

export async function checkVdi(source: ByteSource, request: CheckRequest<unknown>): Promise<CheckFigures> {
  const { report } = request;
  const header = await report.attempt(() => readHeader(source));
  if (header === undefined) return { imageEndOffset: source.size };
  const { diskSize, blockSize, blockCount, mapOffset, dataOffset } = header;
  const mapEnd = mapOffset + blockCount * 4;
  if (diskSize % SECTOR !== 0) {
    const message = () => `The disk has ${diskSize} bytes, no whole sectors.`;
    report.warning('bad-header', message, { fileOffset: vdiHeader.fields.diskSize.at });
  }
  if (mapOffset >= dataOffset || mapEnd > dataOffset) {
    const message = () =>
      `The block map from byte ${mapOffset} to ${mapEnd} stands in the data at ${dataOffset}.`;
    report.corruption('overlap', message, { fileOffset: vdiHeader.fields.mapOffset.at });
  }
  if (mapEnd > source.size) {
    const message = () =>
      `The block map should end at byte ${mapEnd}, but the file has only ${source.size} bytes.`;
    report.corruption('truncated', message, { fileOffset: vdiHeader.fields.mapOffset.at });
  }
  const entryCount = Math.max(0, Math.min(blockCount, Math.floor((source.size - mapOffset) / 4)));
  const { storedCount, fragmented, imageEndOffset } = await checkMap(source, header, entryCount, request);
  if (storedCount !== header.storedCount) {
    const message = () =>
      `The header counts ${header.storedCount} blocks in the file; the map has ${storedCount}.`;
    report.corruption('bad-table', message, { fileOffset: vdiHeader.fields.storedCount.at });
  }
  return {
    imageEndOffset: Math.max(imageEndOffset, Math.min(mapEnd, source.size)),
    totalClusters: ceilDiv(diskSize, blockSize),
    allocatedClusters: storedCount,
    fragmentedClusters: fragmented,
    compressedClusters: 0,
  };
}

/** Bytes of the map that are read at a time. */
const CHUNK = 1024 * 1024;

async function checkMap(
  source: ByteSource,
  header: VdiHeader,
  entryCount: number,
  { report, requireRunning }: CheckRequest<unknown>,
) {
  const { mapOffset, blockSize, diskSize } = header;
  const places = source.size / blockSize;
  /** A bit for each place in the file. */
  const taken = new Uint8Array(ceilDiv(Math.ceil(places), 8));
  let storedCount = 0;
  let fragmented = 0;
  let imageEndOffset = 0;
  let next = -1;
  for (let first = 0; first < entryCount; first += CHUNK / 4) {
    requireRunning();
    const count = Math.min(CHUNK / 4, entryCount - first);
    const bytes = await readBytes(source, mapOffset + first * 4, count * 4, 'The block map');
    const view = new DataView(bytes.buffer);
    for (let block = first; block < first + count; block++) {
      const entry = view.getUint32((block - first) * 4, true);
      if (!isPlace(entry)) continue;
      storedCount += 1;
      if (next >= 0 && entry !== next) fragmented += 1;
      next = entry + 1;
      const place = { fileOffset: mapOffset + block * 4, guestOffset: block * blockSize };
      const onDisk = Math.min(blockSize, diskSize - block * blockSize);
      if (onDisk <= 0) {
        report.warning(
          'unused-space',
          () => `Block ${block} is stored, but past the end of the disk.`,
          place,
        );
      }
      const end = blockOffset(header, entry) + Math.max(0, onDisk);
      if (end > source.size) {
        const message = () =>
          `Block ${block} should end at byte ${end}, but the file has only ${source.size} bytes.`;
        report.corruption('past-end', message, place);
        continue;
      }
      const byte = Math.floor(entry / 8);
      const bit = 1 << (entry % 8);
      if (((taken[byte] ?? 0) & bit) !== 0) {
        report.corruption(
          'overlap',
          () => `Block ${block} stands at place ${entry}, like another block.`,
          place,
        );
      }
      taken[byte] = (taken[byte] ?? 0) | bit;
      imageEndOffset = Math.max(
        imageEndOffset,
        Math.min(source.size, blockOffset(header, entry) + blockSize),
      );
    }
  }
  return { storedCount, fragmented, imageEndOffset };
}
