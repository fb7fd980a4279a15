/** What a check finds in the partition table of a raw disk. */

import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { crc32 } from '../../src/binary/crc32.ts';
import { checkImage } from '../../src/index.ts';
import { fixtureBytes, fixtureNamed, fixtures } from '../support/fixtures.ts';
import { testFindings } from './check-pokes.ts';
import { all, le32, le64, type Poke, u8 } from './poke.ts';

const SECTORS = 2048;

/** A disk of 1 MiB with two partitions in a GPT, and its copy at the end. */
function gptDisk(): Buffer {
  const disk = Buffer.alloc(MiB);
  disk.writeUInt16LE(0xaa55, 510);
  disk.writeUInt8(0xee, 446 + 4);
  disk.writeUInt32LE(1, 446 + 8);
  disk.writeUInt32LE(SECTORS - 1, 446 + 12);
  const entries = Buffer.alloc(128 * 128);
  for (const [index, [first, last]] of [
    [40, 99],
    [100, 199],
  ].entries()) {
    entries.fill(index + 1, index * 128, index * 128 + 32);
    entries.writeBigUInt64LE(BigInt(first as number), index * 128 + 32);
    entries.writeBigUInt64LE(BigInt(last as number), index * 128 + 40);
  }
  for (const [my, other, at] of [
    [1, SECTORS - 1, 2],
    [SECTORS - 1, 1, SECTORS - 33],
  ] as const) {
    entries.copy(disk, at * 512);
    disk.write('EFI PART', my * 512);
    disk.writeUInt32LE(0x10000, my * 512 + 8);
    disk.writeUInt32LE(92, my * 512 + 12);
    for (const [field, value] of [
      [24, my],
      [32, other],
      [40, 34],
      [48, SECTORS - 34],
      [72, at],
    ] as const) {
      disk.writeBigUInt64LE(BigInt(value), my * 512 + field);
    }
    disk.writeUInt32LE(128, my * 512 + 80);
    disk.writeUInt32LE(128, my * 512 + 84);
    disk.writeUInt32LE(crc32(entries), my * 512 + 88);
    seal(my)(disk);
  }
  return disk;
}

const seal =
  (sector: number): Poke =>
  (disk) => {
    const header = disk.subarray(sector * 512, sector * 512 + 92);
    header.writeUInt32LE(0, 16);
    header.writeUInt32LE(crc32(header), 16);
    return disk;
  };

/** Changes an entry of the primary copy, and seals it. */
const sealed = (poke: Poke): Poke =>
  all(
    poke,
    (disk) => {
      disk.writeUInt32LE(crc32(disk.subarray(1024, 1024 + 128 * 128)), 512 + 88);
      return disk;
    },
    seal(1),
  );

describe('GPT', () => {
  it('is sound', async () => expect((await checkImage(gptDisk(), { format: 'raw' })).findings).toEqual([]));
  testFindings('raw', gptDisk, [
    ['header', 'damaged', u8(512 + 60, 9), 'corruption', 'bad-checksum'],
    ['backup header', 'damaged', u8((SECTORS - 1) * 512 + 60, 9), 'corruption', 'bad-checksum'],
    ['entries', 'damaged', u8(2 * 512 + 60, 9), 'corruption', 'bad-checksum'],
    ['backup entries', 'damaged', u8((SECTORS - 33) * 512 + 60, 9), 'corruption', 'bad-checksum'],
    ['header', 'missing', u8(512, 0), 'corruption', 'partition-table'],
    ['backup header', 'missing', u8((SECTORS - 1) * 512, 0), 'warning', 'partition-table'],
    ['both headers', 'missing', all(u8(512, 0), u8((SECTORS - 1) * 512, 0)), 'corruption', 'partition-table'],
    ['protective MBR', 'missing', u8(510, 0), 'warning', 'partition-table'],
    ['my LBA', 'another', all(le64(512 + 24, 7), seal(1)), 'corruption', 'bad-header'],
    ['number of entries', '2^32 - 1', all(le32(512 + 80, 0xffffffff), seal(1)), 'corruption', 'bad-table'],
    ['disk', 'shorter', (disk) => disk.subarray(0, MiB / 2), 'warning', 'partition-table'],
  ]);
  testFindings(
    'raw',
    gptDisk,
    [
      ['partition', 'past the end', sealed(le64(1024 + 128 + 40, 4000)), 'warning', 'partition-past-end'],
      ['partition', 'on another', sealed(le64(1024 + 128 + 32, 99)), 'warning', 'partition-overlap'],
      ['partition', 'backwards', sealed(le64(1024 + 128 + 40, 98)), 'corruption', 'bad-table'],
    ],
    { beside: ['partition-table'] }, // the backup tells otherwise
  );
});

describe('MBR', () => {
  testFindings('raw', () => fixtureBytes(fixtureNamed('raw/mbr-disk')), [
    ['length', 'past the end', le32(446 + 16 + 12, 0xffffff), 'warning', 'partition-past-end'],
    ['start', 'on another', le32(446 + 16 + 8, 4096), 'warning', 'partition-overlap'],
  ]);
});

it.each(fixtures.filter(({ format }) => format === 'raw').map(({ file }) => file))(
  '%s: nothing wrong',
  async (file) => {
    const { findings } = await checkImage(fixtureBytes(fixtureNamed(file)), { format: 'raw' });
    expect(findings).toEqual([]);
  },
);
