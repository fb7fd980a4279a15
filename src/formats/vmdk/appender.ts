/**
 * File map of the streamOptimized images that we write:
 *
 *     header (512)           it tells that the directory is at the end
 *     descriptor             up to 64 KiB
 *     compressed grains      each a marker, a zlib stream, and zeros up to the next sector
 *     grain tables           each behind a marker (512); those that have an entry
 *     grain directory        behind a marker (512)
 *     footer                 behind a marker (512): the header, with the place of the directory
 *     end of stream          a marker (512)
 */

import { alignUp, ceilDiv, SECTOR } from '../../binary/align.ts';
import { codecOf } from '../../codecs/index.ts';
import { type Appender, levelFor, type StoredBlocks } from '../../image/appender.ts';
import { frameGrain, placeGrain, recordLength } from './grain.ts';
import {
  descriptorBytes,
  GRAIN_SIZE,
  headerOf,
  requireVirtualSize,
  tableCountOf,
  type VmdkOptions,
} from './layout.ts';
import {
  DEFLATE,
  Flag,
  GD_AT_END,
  GRAIN_SECTORS,
  MarkerType,
  metadataMarker,
  type SparseHeader,
  sparseHeader,
  TABLE_ENTRIES,
} from './structs.ts';

/** VMware's writers begin the grains at 64 KiB, with room to edit the descriptor. */
const DATA_START = GRAIN_SIZE;
const TABLE_BYTES = TABLE_ENTRIES * 4;

/** @throws OptionError `bad-size`; `bad-option` for a level that zlib does not have */
export function vmdkAppender(virtualSize: number, options: VmdkOptions): Appender {
  requireVirtualSize(virtualSize);
  const tableCount = tableCountOf(virtualSize);
  const directoryBytes = alignUp(tableCount * 4, SECTOR);
  const header: SparseHeader = {
    ...headerOf(virtualSize),
    version: 3,
    flags: Flag.newLineTest | Flag.compressed | Flag.markers,
    gdOffset: GD_AT_END,
    overHead: DATA_START / SECTOR,
    compressAlgorithm: DEFLATE,
  };

  /** Tables, directory, footer and end of stream. */
  function* tail(stored: StoredBlocks): Generator<Uint8Array> {
    const directory = new DataView(new ArrayBuffer(directoryBytes));
    let end = stored.dataEnd;
    for (const [table, bytes] of grainTables(stored)) {
      yield marker(MarkerType.grainTable, TABLE_BYTES);
      yield bytes;
      directory.setUint32(table * 4, end / SECTOR + 1, true);
      end += SECTOR + TABLE_BYTES;
    }
    yield marker(MarkerType.grainDirectory, directoryBytes);
    yield new Uint8Array(directory.buffer);
    yield marker(MarkerType.footer, SECTOR);
    yield sparseHeader.encode({ ...header, gdOffset: BigInt(end / SECTOR + 1) });
    yield marker(MarkerType.endOfStream, 0);
  }

  return {
    kind: 'appender',
    virtualSize,
    unit: GRAIN_SIZE,
    dataStart: DATA_START,
    isHeadLast: false,
    codec: 'zlib',
    level: levelFor('zlib', options.compressionLevel, 'vmdk'),
    storesIncompressible: false,
    place: ({ end }, payloadLength) => placeGrain(end, payloadLength),
    frame: (grain, payload) => frameGrain(grain * GRAIN_SECTORS, payload),
    head(_, identity) {
      const bytes = new Uint8Array(DATA_START);
      bytes.set(sparseHeader.encode(header));
      bytes.set(descriptorBytes(virtualSize, 'streamOptimized', options, identity), SECTOR);
      return bytes;
    },
    tail,
    maxFileSize({ storedCount }) {
      const grains = storedCount * recordLength(codecOf('zlib').bound(GRAIN_SIZE));
      const tables = Math.min(tableCount, storedCount) * (SECTOR + TABLE_BYTES);
      return DATA_START + grains + tables + SECTOR + directoryBytes + 3 * SECTOR;
    },
  };
}

const marker = (type: number, bytes: number): Uint8Array =>
  metadataMarker.encode({ sectors: ceilDiv(bytes, SECTOR), dataSize: 0, type, padding: new Uint8Array(496) });

/** The tables that have an entry, with their numbers. */
function* grainTables(stored: StoredBlocks): Generator<[table: number, bytes: Uint8Array]> {
  let table = -1;
  let view = new DataView(new ArrayBuffer(0));
  for (const { block, fileOffset } of stored.records()) {
    const own = Math.floor(block / TABLE_ENTRIES);
    if (own !== table) {
      if (table >= 0) yield [table, new Uint8Array(view.buffer)];
      table = own;
      view = new DataView(new ArrayBuffer(TABLE_BYTES));
    }
    view.setUint32((block % TABLE_ENTRIES) * 4, fileOffset / SECTOR, true);
  }
  if (table >= 0) yield [table, new Uint8Array(view.buffer)];
}
