/**
 * File map of the VDI images that we write:
 *
 *     header (512) │ block map │ padding up to 1 MiB │ blocks (1 MiB each)
 *
 * A static image has all blocks in order; a dynamic one those that hold data, in the order of the disk.
 */

import { alignUp, ceilDiv } from '../../binary/align.ts';
import { OptionError } from '../../errors.ts';
import { type Allocation, rankInOrder } from '../../image/allocation.ts';
import type { Identity } from '../../image/identity.ts';
import type { Layout } from '../../image/layout.ts';
import { bytesSection, paddingSection, type Section, tableSection } from '../../image/section.ts';
import {
  BLOCK_SIZE,
  HEADER_SIZE,
  ImageType,
  MAX_VIRTUAL_SIZE,
  SIGNATURE,
  UNUSED_BLOCK,
  VERSION_1_1,
  vdiHeader,
} from './structs.ts';

const MAP_OFFSET = vdiHeader.size;

/** @throws OptionError `bad-size` over 512 TiB, or for a disk of no bytes */
export function vdiLayout(virtualSize: number, subformat: 'dynamic' | 'static'): Layout {
  if (virtualSize > MAX_VIRTUAL_SIZE || virtualSize === 0) {
    throw new OptionError('bad-size', `A VDI cannot hold a disk of ${virtualSize} bytes.`, {
      format: 'vdi',
      hint: 'It holds 512 bytes to 512 TiB.',
    });
  }
  const isStatic = subformat === 'static';
  const blockCount = ceilDiv(virtualSize, BLOCK_SIZE);
  const mapEnd = MAP_OFFSET + blockCount * 4;
  const dataStart = alignUp(mapEnd, BLOCK_SIZE);
  return {
    kind: 'layout',
    virtualSize,
    unit: BLOCK_SIZE,
    dataStart,
    placement: isStatic ? 'in-place' : 'packed',
    blockHead: new Uint8Array(0),
    sections(allocation, identity) {
      const storedCount = isStatic ? blockCount : allocation.storedCount;
      return {
        head: [
          bytesSection(
            'header',
            headerBytes({ virtualSize, blockCount, storedCount, dataStart, isStatic }, identity),
          ),
          isStatic ? wholeMap(blockCount) : mapOf(allocation, blockCount),
          paddingSection(mapEnd, BLOCK_SIZE),
        ],
        // Blocks are whole, the last one too.
        tail: isStatic ? [paddingSection(virtualSize, BLOCK_SIZE)] : [],
      };
    },
  };
}

const wholeMap = (blockCount: number): Section =>
  tableSection('block map', blockCount, 4, (view, at, block) => view.setUint32(at, block, true));

function mapOf(allocation: Allocation, blockCount: number): Section {
  const rankOf = rankInOrder(allocation);
  return tableSection('block map', blockCount, 4, (view, at, block) => {
    view.setUint32(at, allocation.has(block) ? rankOf(block) : UNUSED_BLOCK, true);
  });
}

interface Shape {
  readonly virtualSize: number;
  readonly blockCount: number;
  readonly storedCount: number;
  readonly dataStart: number;
  readonly isStatic: boolean;
}

const headerBytes = (
  { virtualSize, blockCount, storedCount, dataStart, isStatic }: Shape,
  { uuid }: Identity,
): Uint8Array =>
  vdiHeader.encode({
    text: '<<< diskimg >>>\n',
    signature: SIGNATURE,
    version: VERSION_1_1,
    headerSize: HEADER_SIZE,
    imageType: isStatic ? ImageType.static : ImageType.dynamic,
    imageFlags: 0,
    description: new Uint8Array(256),
    mapOffset: MAP_OFFSET,
    dataOffset: dataStart,
    cylinders: 0,
    heads: 0,
    sectors: 0,
    sectorSize: 512,
    unused: 0,
    diskSize: virtualSize,
    blockSize: BLOCK_SIZE,
    blockExtra: 0,
    blockCount,
    storedCount,
    uuid,
    modificationUuid: uuid,
    parentUuid: new Uint8Array(16),
    parentModificationUuid: new Uint8Array(16),
    lastCylinders: 0,
    lastHeads: 0,
    lastSectors: 0,
    lastSectorSize: 512,
    padding: new Uint8Array(40),
  });
