/**
 * File map of the VHD images that we write:
 *
 *     fixed     guest bytes │ footer (512)
 *     dynamic   footer copy (512) │ dynamic header (1024) │ BAT │ names of the parent │ padding │ blocks │ footer (512)
 *               block: zeros (3584) │ sector bitmap (512, all ones) │ 2 MiB of guest bytes
 *
 * The zeros before a bitmap put the guest bytes on pages (4096), as Xen's tools do too: whoever reads or writes the
 * image then can go around the page cache, and disks with sectors of 4096 bytes need not read before they write.
 */

import { alignUp, ceilDiv, MiB, SECTOR } from '../../binary/align.ts';
import { geometryOf } from '../../binary/chs.ts';
import { toSeconds2000 } from '../../binary/time.ts';
import { OptionError } from '../../errors.ts';
import { rankInOrder } from '../../image/allocation.ts';
import type { Identity } from '../../image/identity.ts';
import type { Layout } from '../../image/layout.ts';
import type { OverlayBase } from '../../image/overlay.ts';
import { bytesSection, paddingSection, tableSection } from '../../image/section.ts';
import { type Parent, type ParentFields, parentOf } from './parent.ts';
import {
  ALL_ONES,
  DiskType,
  DYNAMIC_COOKIE,
  dynamicHeader,
  encodeDynamicHeader,
  encodeFooter,
  FOOTER_COOKIE,
  MAX_VIRTUAL_SIZE,
  UNUSED_ENTRY,
  VERSION_1_0,
  vhdFooter,
} from './structs.ts';

/** The block size that every reader is used to. */
const BLOCK_SIZE = 2 * MiB;
const PAGE = 4096;
/** One bit a sector: exactly one sector, the last of the page before the block. All ones: every sector counts. */
const BITMAP_SIZE = BLOCK_SIZE / SECTOR / 8;
const BITMAP_PAGE = new Uint8Array(PAGE).fill(0xff, PAGE - BITMAP_SIZE);

const HEADER_OFFSET = vhdFooter.size;
const TABLE_OFFSET = HEADER_OFFSET + dynamicHeader.size;

/** @throws OptionError `bad-size` over 2040 GiB, or for a disk of no bytes */
export function vhdLayout(virtualSize: number, subformat: 'fixed' | 'dynamic'): Layout {
  if (virtualSize > MAX_VIRTUAL_SIZE || virtualSize === 0) {
    throw new OptionError('bad-size', `A VHD cannot hold a disk of ${virtualSize} bytes.`, {
      format: 'vhd',
      hint: 'It holds 512 bytes to 2040 GiB. Larger disks fit into qcow2, raw or ZVHD2.',
    });
  }
  return subformat === 'fixed' ? fixedLayout(virtualSize) : dynamicLayout(virtualSize, undefined);
}

/** A differencing disk: a dynamic one over its parent. @throws OptionError `bad-option`, `bad-size` */
export function vhdDifferencing(
  virtualSize: number,
  subformat: 'fixed' | 'dynamic',
  base: OverlayBase,
): Layout {
  if (subformat === 'fixed') {
    const message = 'A fixed VHD has no parent.';
    throw new OptionError('bad-option', message, { format: 'vhd', hint: 'Leave subformat out.' });
  }
  return dynamicLayout(virtualSize, parentOf(virtualSize, base));
}

const fixedLayout = (virtualSize: number): Layout => ({
  kind: 'layout',
  virtualSize,
  unit: 64 * 1024,
  dataStart: 0,
  placement: 'in-place',
  blockHead: new Uint8Array(0),
  sections: (_, identity) => ({
    head: [],
    tail: [bytesSection('footer', footer(virtualSize, DiskType.fixed, ALL_ONES, identity))],
  }),
});

function dynamicLayout(virtualSize: number, parent: Parent | undefined): Layout {
  const blockCount = ceilDiv(virtualSize, BLOCK_SIZE);
  const namesOffset = alignUp(TABLE_OFFSET + blockCount * 4, SECTOR);
  const names = parent?.names ?? new Uint8Array(0);
  const namesEnd = namesOffset + names.length;
  const dataStart = alignUp(namesEnd, PAGE);
  const diskType = parent ? DiskType.differencing : DiskType.dynamic;
  const stride = PAGE + BLOCK_SIZE;
  return {
    kind: 'layout',
    virtualSize,
    unit: BLOCK_SIZE,
    dataStart,
    placement: 'packed',
    blockHead: BITMAP_PAGE,
    sections(allocation, identity) {
      const footerBytes = footer(virtualSize, diskType, BigInt(HEADER_OFFSET), identity);
      const rankOf = rankInOrder(allocation);
      const table = tableSection('BAT', blockCount, 4, (view, at, block) => {
        const sector = (dataStart + rankOf(block) * stride + PAGE - BITMAP_SIZE) / SECTOR;
        view.setUint32(at, allocation.has(block) ? sector : UNUSED_ENTRY);
      });
      return {
        head: [
          bytesSection('footer copy', footerBytes),
          bytesSection('dynamic disk header', header(blockCount, parent?.header(namesOffset) ?? noParent)),
          table,
          paddingSection(TABLE_OFFSET + table.length, SECTOR),
          bytesSection('parent names', names),
          paddingSection(namesEnd, PAGE),
        ],
        tail: [bytesSection('footer', footerBytes)],
      };
    },
  };
}

/**
 * The creator is Hyper-V's, because every reader then takes the current size and nobody cuts or rounds the disk to a
 * product of cylinders, heads and sectors.
 */
function footer(size: number, diskType: number, dataOffset: bigint, identity: Identity): Uint8Array {
  return encodeFooter({
    cookie: FOOTER_COOKIE,
    features: 2,
    fileFormatVersion: VERSION_1_0,
    dataOffset,
    timeStamp: toSeconds2000(identity.timestamp),
    creatorApplication: 'win ',
    creatorVersion: 0x000a0000,
    creatorHostOs: 'Wi2k',
    originalSize: size,
    currentSize: size,
    ...geometryOf(size),
    diskType,
    checksum: 0,
    uniqueId: identity.uuid,
    savedState: 0,
    reserved: new Uint8Array(427),
  });
}

/** The header's fields of a disk that has no parent. */
const noParent: ParentFields = {
  parentUniqueId: new Uint8Array(16),
  parentTimeStamp: 0,
  parentUnicodeName: new Uint8Array(512),
  parentLocatorEntries: new Uint8Array(192),
};

const header = (maxTableEntries: number, parent: ParentFields): Uint8Array =>
  encodeDynamicHeader({
    cookie: DYNAMIC_COOKIE,
    dataOffset: ALL_ONES,
    tableOffset: TABLE_OFFSET,
    headerVersion: VERSION_1_0,
    maxTableEntries,
    blockSize: BLOCK_SIZE,
    checksum: 0,
    reserved: 0,
    ...parent,
    reserved2: new Uint8Array(256),
  });
