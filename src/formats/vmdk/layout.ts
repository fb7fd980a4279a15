/**
 * File map of the monolithicSparse images that we write:
 *
 *     header (512) │ descriptor (20 sectors) │ redundant directory │ its tables │ directory │ its tables │ padding │ grains
 *
 * All grain tables are there from the start, as every writer has it. The grains that hold data stand in guest order.
 */

import { alignUp, ceilDiv, SECTOR } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import { type Allocation, rankInOrder } from '../../image/allocation.ts';
import type { Identity } from '../../image/identity.ts';
import type { Layout } from '../../image/layout.ts';
import { bytesSection, paddingSection, type Section, tableSection } from '../../image/section.ts';
import { type AdapterType, descriptorText } from './descriptor.ts';
import {
  END_LINE_CHARS,
  Flag,
  GRAIN_SECTORS,
  MAGIC,
  MAX_VIRTUAL_SIZE,
  type SparseHeader,
  sparseHeader,
  TABLE_ENTRIES,
  UNUSED_GRAIN,
} from './structs.ts';

export interface VmdkOptions {
  readonly adapterType: AdapterType;
  readonly hardwareVersion: number | undefined;
  readonly compressionLevel: number | undefined;
}

export const GRAIN_SIZE = GRAIN_SECTORS * SECTOR;
/** Sectors of the descriptor, as every writer has it: there is room to edit it. */
export const DESCRIPTOR_SECTORS = 20;
const DESCRIPTOR_OFFSET = 1;
const TABLE_SECTORS = (TABLE_ENTRIES * 4) / SECTOR;

/** What both subformats have in common. */
export const tableCountOf = (virtualSize: number): number => ceilDiv(virtualSize, GRAIN_SIZE * TABLE_ENTRIES);

/** @throws OptionError `bad-size` over 2047 GiB, or for a disk of no bytes */
export function requireVirtualSize(virtualSize: number): void {
  if (virtualSize > 0 && virtualSize <= MAX_VIRTUAL_SIZE) return;
  throw new OptionError('bad-size', `A VMDK cannot hold a disk of ${virtualSize} bytes.`, {
    format: 'vmdk',
    hint: 'It holds 512 bytes to 2047 GiB. Larger disks fit into qcow2, raw, VDI or ZVHD2.',
  });
}

/** @throws OptionError `bad-size` */
export function vmdkLayout(virtualSize: number, options: VmdkOptions): Layout {
  requireVirtualSize(virtualSize);
  const tableCount = tableCountOf(virtualSize);
  const directorySectors = ceilDiv(tableCount * 4, SECTOR);
  const redundantOffset = DESCRIPTOR_OFFSET + DESCRIPTOR_SECTORS;
  const tablesSectors = directorySectors + tableCount * TABLE_SECTORS;
  const gdOffset = redundantOffset + tablesSectors;
  const tablesEnd = (gdOffset + tablesSectors) * SECTOR;
  const dataStart = alignUp(tablesEnd, GRAIN_SIZE);
  const header: SparseHeader = {
    ...headerOf(virtualSize),
    version: 1,
    flags: Flag.newLineTest | Flag.redundantTable,
    rgdOffset: redundantOffset,
    gdOffset: BigInt(gdOffset),
    overHead: dataStart / SECTOR,
  };

  /** A directory at a sector, and all its tables behind it. */
  function* directoryAndTables(name: string, sector: number, tables: Section): Generator<Section> {
    const first = sector + directorySectors;
    const directory = tableSection(name, tableCount, 4, (view, at, table) =>
      view.setUint32(at, first + table * TABLE_SECTORS, true),
    );
    yield directory;
    yield paddingSection(directory.length, SECTOR);
    yield tables;
  }

  return {
    kind: 'layout',
    virtualSize,
    unit: GRAIN_SIZE,
    dataStart,
    placement: 'packed',
    blockHead: new Uint8Array(0),
    sections: (allocation, identity) => ({
      head: [
        bytesSection('header', sparseHeader.encode(header)),
        bytesSection('descriptor', descriptorBytes(virtualSize, 'monolithicSparse', options, identity)),
        ...directoryAndTables(
          'redundant grain directory',
          redundantOffset,
          grainTables(allocation, tableCount, dataStart),
        ),
        ...directoryAndTables('grain directory', gdOffset, grainTables(allocation, tableCount, dataStart)),
        paddingSection(tablesEnd, GRAIN_SIZE),
      ],
      tail: [],
    }),
  };
}

/** The entries of all grain tables, those past the end of the disk too. */
function grainTables(allocation: Allocation, tableCount: number, dataStart: number): Section {
  const rankOf = rankInOrder(allocation);
  const first = dataStart / SECTOR;
  return tableSection('grain tables', tableCount * TABLE_ENTRIES, 4, (view, at, grain) => {
    const isStored = grain < allocation.blockCount && allocation.has(grain);
    view.setUint32(at, isStored ? first + rankOf(grain) * GRAIN_SECTORS : UNUSED_GRAIN, true);
  });
}

/** The fields of a header that do not depend on the subformat; the others are zero. */
export const headerOf = (virtualSize: number): SparseHeader => ({
  magic: MAGIC,
  version: 0,
  flags: 0,
  capacity: virtualSize / SECTOR,
  grainSize: GRAIN_SECTORS,
  descriptorOffset: DESCRIPTOR_OFFSET,
  descriptorSize: DESCRIPTOR_SECTORS,
  numGTEsPerGT: TABLE_ENTRIES,
  rgdOffset: 0,
  gdOffset: 0n,
  overHead: 0,
  uncleanShutdown: 0,
  ...END_LINE_CHARS,
  compressAlgorithm: 0,
  padding: new Uint8Array(433),
});

/** Above the IDs that have a meaning of their own there are two: no parent, and a new disk. */
const CID_COUNT = 0xfffffffe;

/** Can it stand between quotes, on one line? */
const isPlainName = (name: string): boolean => /^[^"\p{Cc}]{1,255}$/u.test(name);

export function descriptorBytes(
  virtualSize: number,
  createType: string,
  { adapterType, hardwareVersion = 4 }: VmdkOptions,
  { uuid, fileName }: Identity,
): Uint8Array {
  const cid = new DataView(uuid.buffer, uuid.byteOffset).getUint32(0) % CID_COUNT;
  const text = descriptorText({
    cid,
    createType,
    virtualSize,
    adapterType,
    hardwareVersion,
    fileName: fileName !== undefined && isPlainName(fileName) ? fileName : 'disk.vmdk',
  });
  const bytes = new Uint8Array(DESCRIPTOR_SECTORS * SECTOR);
  bytes.set(new TextEncoder().encode(text));
  return bytes;
}
