/** VHDs made by hand, in blocks smaller than any writer's: many table entries in a file of few bytes. */

import { Buffer } from 'node:buffer';
import { KiB } from '../../src/binary/align.ts';
import { parentLocator } from '../../src/formats/vhd/parent.ts';
import {
  ALL_ONES,
  DiskType,
  DYNAMIC_COOKIE,
  encodeDynamicHeader,
  encodeFooter,
  FOOTER_COOKIE,
  VERSION_1_0,
} from '../../src/formats/vhd/structs.ts';
import { seededGuest } from './seeded-guest.ts';

/** A dynamic disk; the last block is a partial one, where a block has several sectors. */
export const smallDynamicVhd = (blockSize: number, blocks: number): Uint8Array =>
  smallVhd(DiskType.dynamic, blockSize, blocks);

/** A differencing disk of which every block holds some sectors, and a fixed disk that is its parent. */
export function smallDifferencingVhd(blockSize: number, blocks: number) {
  const parent = seededGuest(64 * KiB, 9, 3000);
  const footer = encodeFooter(footerOf(DiskType.fixed, parent.length, 1));
  return {
    image: smallVhd(DiskType.differencing, blockSize, blocks),
    parent: new Uint8Array(Buffer.concat([parent, footer])),
  };
}

const footerOf = (diskType: number, size: number, uuid: number) => ({
  cookie: FOOTER_COOKIE,
  features: 2,
  fileFormatVersion: VERSION_1_0,
  dataOffset: diskType === DiskType.fixed ? ALL_ONES : 512n,
  timeStamp: 0,
  creatorApplication: 'win ',
  creatorVersion: 0x000a0000,
  creatorHostOs: 'Wi2k',
  originalSize: size,
  currentSize: size,
  cylinders: 2,
  heads: 4,
  sectorsPerTrack: 17,
  diskType,
  checksum: 0,
  uniqueId: new Uint8Array(16).fill(uuid),
  savedState: 0,
  reserved: new Uint8Array(427),
});

/** Every third block is not stored, the others stand in reverse order. */
function smallVhd(diskType: number, blockSize: number, blocks: number): Uint8Array {
  const footer = encodeFooter(footerOf(diskType, blockSize * blocks - 512 * (blockSize > 512 ? 3 : 0), 2));
  const isDifferencing = diskType === DiskType.differencing;
  const locators = new Uint8Array(192);
  const name = Buffer.from('parent.vhd', 'utf16le');
  const tableOffset = 1536;
  const namesOffset = tableOffset + 512;
  if (isDifferencing) {
    for (const [index, platformCode] of ['W2ru', 'W2ku'].entries()) {
      const entry = {
        platformCode,
        platformDataSpace: 512,
        platformDataLength: name.length,
        reserved: 0,
        platformDataOffset: namesOffset,
      };
      locators.set(parentLocator.encode(entry), index * parentLocator.size);
    }
  }
  const header = encodeDynamicHeader({
    cookie: DYNAMIC_COOKIE,
    dataOffset: ALL_ONES,
    tableOffset,
    headerVersion: VERSION_1_0,
    maxTableEntries: blocks,
    blockSize,
    checksum: 0,
    parentUniqueId: new Uint8Array(16).fill(isDifferencing ? 1 : 0),
    parentTimeStamp: 0,
    reserved: 0,
    parentUnicodeName: new Uint8Array(512),
    parentLocatorEntries: locators,
    reserved2: new Uint8Array(256),
  });
  const stored = Array.from({ length: blocks }, (_, block) => block).filter((block) => block % 3 !== 1);
  const data = namesOffset + 512;
  const bytes = Buffer.alloc(data + stored.length * (512 + blockSize) + 512);
  bytes.set(footer, 0);
  bytes.set(header, 512);
  bytes.fill(0xff, tableOffset, namesOffset);
  bytes.set(name, namesOffset);
  for (const [index, block] of stored.entries()) {
    const at = data + (stored.length - 1 - index) * (512 + blockSize);
    bytes.writeUInt32BE(at / 512, tableOffset + block * 4);
    bytes.fill(isDifferencing ? 0x5c : 0xff, at, at + Math.max(1, blockSize / 512 / 8));
    bytes.set(seededGuest(blockSize, block, 900), at + 512);
  }
  bytes.set(footer, bytes.length - 512);
  return bytes;
}
