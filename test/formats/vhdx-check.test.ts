/** What a check finds in a VHDX of which one field is wrong, and how the same is refused when it is read. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { Guid, HEADER_OFFSETS, REGION_TABLE_OFFSETS, sealed } from '../../src/formats/vhdx/structs.ts';
import { checkImage, createImage, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { itemPlace, regionPlace } from '../support/anatomy-vhdx.ts';
import { fixtureBytes, fixtures } from '../support/fixtures.ts';
import { BAT, cleanVhdx, linkageOf, smallDifferencingVhdx, smallDirtyVhdx } from '../support/small-vhdx.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { testFindings } from './check-pokes.ts';
import { all, le32, le64, type Poke, testPokes, u8 } from './poke.ts';

const path = tempFolder();
const [headerAt, otherHeaderAt] = HEADER_OFFSETS;
const [tableAt, otherTableAt] = REGION_TABLE_OFFSETS;

/** The same in both region tables, sealed again. */
const inRegions =
  (guid: string, field: number, value: bigint | number): Poke =>
  (image) => {
    for (const table of REGION_TABLE_OFFSETS) {
      le64(regionPlace(image, table, guid) + field, value)(image);
      sealed(image.subarray(table, table + 64 * KiB), 4);
    }
    return image;
  };
const inHeaders =
  (field: number, poke: (at: number) => Poke): Poke =>
  (image) => {
    for (const at of HEADER_OFFSETS) {
      poke(at + field)(image);
      sealed(image.subarray(at, at + 4 * KiB), 4);
    }
    return image;
  };
const entry = (index: number, mib: number, state: number, table = BAT): Poke =>
  le64(table + index * 8, mib * MiB + state);
/** Of blocks 0, 9 and 4, in that order behind the metadata. */
const placeOf = (image: Uint8Array, block: number): number =>
  Number(Buffer.from(image).readBigUInt64LE(BAT + block * 8) / BigInt(MiB));
const there = (block: number): number => placeOf(cleanVhdx(), block);
const end = Math.ceil(cleanVhdx().length / MiB);

describe('check', () => {
  testFindings('vhdx', cleanVhdx, [
    ['entry', 'past the end', entry(0, end, 6), 'corruption', 'past-end'],
    ['entry', 'that of another block', entry(0, there(9), 6), 'corruption', 'overlap'],
    ['entry', 'on the metadata', entry(0, 3, 6), 'corruption', 'overlap'],
    ['entry', 'in the header section', entry(5, 0, 6), 'corruption', 'overlap'],
    ['entry', 'in no state', entry(5, 0, 4), 'corruption', 'bad-table'],
    ['entry', 'partially present, without a parent', entry(0, there(0), 7), 'corruption', 'bad-table'],
    ['entry', 'reserved bits', entry(0, there(0), 6 + 8), 'corruption', 'reserved-bits'],
    ['first header', 'another byte', u8(headerAt + 100, 1), 'warning', 'bad-checksum'],
    ['second region table', 'another byte', u8(otherTableAt + 60_000, 1), 'corruption', 'bad-checksum'],
    ['log offset', 'on the BAT', inHeaders(72, (at) => le64(at, BAT)), 'corruption', 'overlap'],
    [
      'second region table',
      'says something else',
      (image) => {
        le32(otherTableAt + 12, 1)(image);
        sealed(image.subarray(otherTableAt, otherTableAt + 64 * KiB), 4);
        return image;
      },
      'corruption',
      'bad-table',
    ],
    [
      'block size',
      'none',
      (image) => le32(itemPlace(image, Guid.fileParameters), 3 * MiB)(image),
      'corruption',
      'bad-header',
    ],
  ]);

  testFindings(
    'vhdx',
    cleanVhdx,
    [['BAT', 'on the log', inRegions(Guid.bat, 16, MiB), 'corruption', 'overlap']],
    { beside: ['bad-table', 'reserved-bits'] },
  );

  it('warns of the bitmap of a chunk that cannot have one, and the disk is read', async () => {
    // 16 blocks of 256 MiB are a chunk.
    const name = path('two-chunks.vhdx');
    await createImage(name, { format: 'vhdx', size: 17 * 256 * MiB, options: { blockSize: 256 * MiB } });
    const image = readFileSync(name);
    entry(16, 7, 6, 3 * MiB)(image);
    const check = await checkImage(image);
    expect(check.findings.map(({ code, severity }) => [code, severity])).toEqual([
      ['sector-bitmap', 'warning'],
    ]);
    await using opened = await openImage(image);
    const extents = [];
    for await (const extent of opened.extents()) extents.push(extent);
    expect(extents).toEqual([{ kind: 'zero', guestOffset: 0, length: 17 * 256 * MiB }]);
  });

  testFindings('vhdx', smallDirtyVhdx, [['log', 'in use', (image) => image, 'warning', 'dirty']]);

  testFindings('vhdx', () => smallDifferencingVhdx().image, [
    ['bitmap', 'not there', entry(4096, 0, 0), 'corruption', 'bad-table'],
    ['bitmap', 'past the end', entry(4096, 100, 6), 'corruption', 'past-end'],
    ['bitmap', 'on a block', entry(4096, 4, 6), 'corruption', 'overlap'],
    ['bitmap', 'in no state', entry(4096, 7, 2), 'corruption', 'bad-table'],
  ]);

  it.each(fixtures.filter(({ format }) => format === 'vhdx'))('$file is sound', async (fixture) => {
    const check = await checkImage(fixtureBytes(fixture), { format: 'vhdx' });
    expect(check.findings).toEqual([]);
  });

  it('takes a differencing disk without its parent', async () => {
    const check = await checkImage(smallDifferencingVhdx().image);
    expect(check).toMatchObject({ findings: [], 'allocated-clusters': 3 });
  });
});

describe('refused when it is read', () => {
  testPokes('vhdx', cleanVhdx, [
    ['headers', 'both damaged', all(u8(headerAt + 100, 1), u8(otherHeaderAt + 100, 1)), 'bad-checksum'],
    ['region tables', 'both damaged', all(u8(tableAt + 100, 1), u8(otherTableAt + 100, 1)), 'bad-checksum'],
    [
      'BAT',
      'too short for the disk',
      (image) => le64(itemPlace(image, Guid.virtualDiskSize), 2 ** 40)(image),
      'bad-table',
    ],
    ['entry', 'past the end', entry(0, end, 6), 'truncated'],
    ['entry', 'that of another block', entry(0, there(9), 6), 'bad-reference'],
    ['entry', 'on the log', entry(0, 1, 6), 'bad-reference'],
    ['entry', 'in no state', entry(5, 0, 5), 'bad-table'],
    ['log', 'in use, and empty', inHeaders(48, (at) => u8(at, 1)), 'bad-table'],
  ]);
});

describe('read all the same', () => {
  it.each([
    ['the first header damaged', u8(headerAt + 100, 1), 'spare-header'],
    ['the second header damaged', u8(otherHeaderAt + 100, 1), 'spare-header'],
    ['the first region table damaged', u8(tableAt + 100, 1), 'spare-region-table'],
    ['the second region table damaged', u8(otherTableAt + 100, 1), 'spare-region-table'],
  ] as const)('%s', async (_name, poke, note) => {
    await using sound = await openImage(cleanVhdx());
    await using image = await openImage(poke(Buffer.from(cleanVhdx())));
    expect(image.notes.map(({ code }) => code)).toEqual([note]);
    const [expected, found] = [sound, image].map(({ virtualSize }) => Buffer.alloc(virtualSize, 0xff)) as [
      Buffer,
      Buffer,
    ];
    await sound.read(expected, 0);
    await image.read(found, 0);
    expect(found.equals(expected)).toBe(true);
  });
});

describe('a differencing disk', () => {
  /** The disk as the specification has it, sector by sector. */
  async function expectedDisk(child: Buffer, parent: Uint8Array): Promise<Buffer> {
    await using base = await openImage(parent);
    const disk = Buffer.alloc(base.virtualSize);
    await base.read(disk, 0);
    const [data, bitmap] = [4 * MiB, 7 * MiB];
    child.copy(disk, MiB, data, data + MiB);
    for (const [place, block] of [
      [data + MiB, 4],
      [data + 2 * MiB, 12],
    ] as const) {
      for (let sector = 0; sector < 2048; sector++) {
        const bit = block * 2048 + sector;
        if (((child[bitmap + Math.floor(bit / 8)] as number) >> (bit % 8)) % 2 === 0) continue;
        child.copy(disk, block * MiB + sector * 512, place + sector * 512, place + sector * 512 + 512);
      }
    }
    return disk.fill(0, 9 * MiB, 11 * MiB);
  }

  it('shows its parent where it has nothing, sector by sector', async () => {
    const { image, parent } = smallDifferencingVhdx();
    const asked: string[] = [];
    await using opened = await openImage(image, {
      resolve: ({ name }) => {
        asked.push(name);
        return memorySource(parent);
      },
    });
    expect(asked).toEqual(['./parent.vhdx']);
    const expected = await expectedDisk(image, parent);
    const found = Buffer.alloc(opened.virtualSize, 0xff);
    await opened.read(found, 0);
    expect(found.equals(expected)).toBe(true);
    // In pieces that begin and end within sectors, too.
    for (let at = 3 * MiB + 100; at < 6 * MiB; at += 70_001) {
      const part = Buffer.alloc(70_001, 0xff);
      await opened.read(part, at);
      expect(part.equals(expected.subarray(at, at + part.length)), `read at ${at}`).toBe(true);
    }
  });

  it('asks for its parent by relative, plain and absolute names, in that order', async () => {
    const { image } = smallDifferencingVhdx({
      absolute_win32_path: '\\\\?\\D:\\disks\\base.vhdx',
      relative_path: '..\\disks\\base.vhdx',
    });
    const asked: string[] = [];
    const refused = openImage(image, { resolve: ({ name }) => void asked.push(name) });
    await expect(refused).rejects.toMatchObject({ code: 'needs-parent' });
    expect(asked).toEqual(['../disks/base.vhdx', 'base.vhdx', 'D:/disks/base.vhdx']);
  });

  it('is refused without its parent, and described', async () => {
    const { image } = smallDifferencingVhdx();
    await expect(openImage(image)).rejects.toMatchObject({ code: 'needs-parent' });
    await using described = await openImage(image, { metadataOnly: true });
    expect(described.details).toMatchObject({
      backingFile: './parent.vhdx',
      backingFormat: 'vhdx',
      specific: { subformat: 'differencing' },
    });
  });

  it('is refused with a parent that was written to since', async () => {
    const { image, parent } = smallDifferencingVhdx();
    const written = inHeaders(32, (at) => u8(at, 1))(Buffer.from(parent));
    const refused = openImage(image, { resolve: () => memorySource(written) });
    await expect(refused).rejects.toMatchObject({ code: 'bad-chain' });
  });

  it('takes a parent by its second linkage, while a merge is under way', async () => {
    const { parent } = smallDifferencingVhdx();
    const other = '{00000000-0000-0000-0000-000000000001}';
    const { image } = smallDifferencingVhdx({
      parent_linkage2: `{${linkageOf(parent)}}`,
      relative_path: 'parent.vhdx',
      parent_linkage: other,
    });
    await using opened = await openImage(image, { resolve: () => memorySource(parent) });
    expect(opened.details.specific['parent-uuid']).toBe(other.slice(1, -1));
  });
});
