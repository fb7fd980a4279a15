/** Partition tables that Debian's tools made, told as `sfdisk --json` tells them; grown, damaged and hostile ones. */

import { Buffer } from 'node:buffer';
import { readFileSync, truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { crc32 } from '../../src/binary/crc32.ts';
import { gptEntry, gptHeader } from '../../src/image/partition-table/gpt.ts';
import { type DiskContents, inspectImage } from '../../src/index.ts';
import { describeWith, run } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { emptyDisk, partitionWithSfdisk, partitionWithSgdisk, putBytes } from '../support/test-disks.ts';

const temp = tempFolder();
const _X64 = 0x8664;

const contentsOf = async (input: string | Uint8Array, maxReadBytes?: number): Promise<DiskContents> =>
  (await inspectImage(input, { ...(maxReadBytes !== undefined && { maxReadBytes }) })).contents;

const codesOf = ({ notes }: DiskContents): string[] => notes.map(({ code }) => code);

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly bootable?: true;
}

/** What sfdisk says, in our words. */
async function sfdisk(path: string) {
  const { partitiontable: table } = JSON.parse(await run('sfdisk', ['--json', path]));
  const partitions = (table.partitions as SfdiskPartition[]).map(({ node, start, size, ...rest }) => ({
    number: Number(/(\d+)$/.exec(node)?.[1]),
    start: start * table.sectorsize,
    end: (start + size) * table.sectorsize,
    type: table.label === 'gpt' ? rest.type.toLowerCase() : `0x${rest.type.padStart(2, '0')}`,
    isActive: rest.bootable ?? false,
    ...(rest.name !== undefined && { name: rest.name }),
    ...(rest.uuid !== undefined && { uuid: rest.uuid.toLowerCase() }),
  }));
  return {
    table: table.label === 'dos' ? 'mbr' : table.label,
    diskId: table.label === 'gpt' ? table.id.toLowerCase() : table.id,
    sectorSize: table.sectorsize,
    partitions: partitions.sort((a, b) => a.start - b.start),
  };
}

/** The same of ours. */
const comparable = ({ table, diskId, sectorSize, partitions }: DiskContents) => ({
  table,
  diskId,
  sectorSize,
  partitions: partitions.map(({ content: _, typeName: __, ...rest }) => rest),
});

const gptArgs = [
  ['-o', '-n', '1:2048:4095', '-t', '1:EF02'],
  ['-n', '2:0:+32M', '-t', '2:EF00', '-c', '2:EFI System'],
  ['-n', '5:0:+16M', '-t', '5:8300', '-c', '5:wurzel ü', '-n', '4:0:+8M', '-t', '4:8200'],
].flat();

async function gptDisk(name: string, size = '128M'): Promise<string> {
  const path = emptyDisk(temp(name), size);
  await partitionWithSgdisk(path, gptArgs);
  return path;
}

describeWith(['sfdisk', 'sgdisk'], 'partition tables as sfdisk says', () => {
  it('GPT', async () => {
    const path = await gptDisk('gpt.raw');
    const contents = await contentsOf(path);
    expect(comparable(contents)).toEqual(await sfdisk(path));
    expect(contents.partitions.map(({ typeName }) => typeName)).toEqual([
      'BIOS boot',
      'EFI system',
      'Linux',
      'Linux swap',
    ]);
    expect(codesOf(contents)).toEqual(['efi-partition-not-fat']);
    expect(contents.usedEnd).toBe((contents.partitions.at(-1)?.end ?? 0) + 33 * 512);
  });

  it('MBR with logical partitions', async () => {
    const path = emptyDisk(temp('mbr.raw'), '128M');
    const script = 'label: dos\n,8M,c,*\n,8M,82\n,8M,83\n,80M,Ex\n,8M,83\n,8M,8e\n,8M,7\n';
    partitionWithSfdisk(path, script, []);
    const contents = await contentsOf(path);
    expect(comparable(contents)).toEqual(await sfdisk(path));
    expect(contents.partitions.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(codesOf(contents)).toEqual([]);
  });

  it('a hybrid MBR', async () => {
    const path = await gptDisk('hybrid.raw');
    await partitionWithSgdisk(path, ['-h', '2:5']);
    const contents = await contentsOf(path);
    expect(contents.table).toBe('hybrid');
    expect(contents.partitions.map(({ number }) => number)).toEqual([1, 2, 5, 4]);
  });

  it('an MBR that covers an older GPT', async () => {
    const path = await gptDisk('covered.raw');
    partitionWithSfdisk(path, 'label: dos\n,16M,83\n', ['--wipe', 'never']);
    const contents = await contentsOf(path);
    expect(contents.table).toBe('mbr');
    expect(codesOf(contents)).toEqual(['gpt-beside-mbr']);
  });
});

describeWith(['sgdisk'], 'what is wrong with a table', () => {
  it('a disk that grew, and one that shrank', async () => {
    const path = await gptDisk('moved.raw');
    truncateSync(path, 256 * MiB);
    const grown = await contentsOf(path);
    expect(codesOf(grown)).toContain('gpt-backup-not-at-end');
    expect(codesOf(grown)).not.toContain('data-past-partitions');
    await partitionWithSgdisk(path, ['-e']);
    expect(codesOf(await contentsOf(path))).toEqual(['efi-partition-not-fat']);
    truncateSync(path, 100 * MiB);
    expect(codesOf(await contentsOf(path))).toContain('gpt-backup-missing');
    truncateSync(path, 40 * MiB);
    expect(codesOf(await contentsOf(path))).toContain('partition-past-end');
  });

  it('its copies, damaged: the other one is read', async () => {
    const path = await gptDisk('copies.raw', '64M');
    const sound = readFileSync(path);
    const expected = comparable(await contentsOf(sound));
    const cases: readonly (readonly [number, number, string])[] = [
      [512, 0, 'gpt-primary-missing'],
      [512 + 60, 1, 'gpt-bad-checksum'],
      [1024 + 33, 77, 'gpt-bad-checksum'],
      [64 * MiB - 512, 0, 'gpt-backup-missing'],
      [64 * MiB - 512 + 60, 1, 'gpt-bad-checksum'],
      [510, 0, 'gpt-no-protective-mbr'],
    ];
    for (const [at, value, code] of cases) {
      const before = sound[at] as number;
      sound[at] = value;
      const contents = await contentsOf(sound);
      sound[at] = before;
      expect(codesOf(contents)).toContain(code);
      expect(comparable(contents)).toEqual(expected);
    }
  });

  it('data behind the last partition', async () => {
    const path = await gptDisk('behind.raw');
    putBytes(path, Buffer.from('left over'), 100 * MiB);
    expect(codesOf(await contentsOf(path))).toContain('data-past-partitions');
  });

  it('partitions that overlap, or begin askew', async () => {
    const disk = Buffer.alloc(8 * MiB);
    disk.writeUInt16LE(0xaa55, 510);
    for (const [index, start, count] of [
      [0, 63, 4096],
      [1, 4096, 4096],
    ] as const) {
      disk[446 + index * 16 + 4] = 0x83;
      disk.writeUInt32LE(start, 446 + index * 16 + 8);
      disk.writeUInt32LE(count, 446 + index * 16 + 12);
    }
    expect(codesOf(await contentsOf(disk))).toEqual(['partition-overlap', 'partition-misaligned']);
  });
});

describe('chains of logical partitions', () => {
  /** A disk whose extended partition fills it, and whose second boot record is at sector 4096. */
  function chained(next: number, type = 5): Buffer {
    const disk = Buffer.alloc(4 * MiB);
    const record = (sector: number, entries: readonly (readonly number[])[]) => {
      disk.writeUInt16LE(0xaa55, sector * 512 + 510);
      for (const [index, [kind = 0, start = 0, count = 0]] of entries.entries()) {
        const at = sector * 512 + 446 + index * 16;
        disk[at + 4] = kind;
        disk.writeUInt32LE(start, at + 8);
        disk.writeUInt32LE(count, at + 12);
      }
    };
    record(0, [[5, 2048, 6144]]);
    record(2048, [
      [0x83, 64, 64],
      [5, 2048, 128],
    ]);
    record(4096, [
      [0x83, 64, 64],
      [type, next, 128],
    ]);
    return disk;
  }
  it('ends', async () => {
    const { partitions, notes } = await contentsOf(chained(0, 0));
    expect(partitions.map(({ number, start }) => [number, start / 512])).toEqual([
      [1, 2048],
      [5, 2112],
      [6, 4160],
    ]);
    expect(notes).toEqual([]);
  });
  it.each([
    ['in a circle', 0],
    ['out of the extended partition', 100_000],
    ['to nothing', 3000],
  ])('leads %s', async (_where, next) => {
    const contents = await contentsOf(chained(next));
    expect(codesOf(contents)).toContain('mbr-bad-chain');
    expect(contents.partitions).toHaveLength(3);
  });
});

it('a GPT that counts sectors of 4096 bytes', async () => {
  const disk = Buffer.alloc(4 * MiB);
  const sectors = disk.length / 4096;
  const entries = Buffer.alloc(16384);
  entries.set(
    gptEntry.encode({
      type: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
      uuid: Uint8Array.from({ length: 16 }, (_, index) => index + 17),
      firstLba: 256n,
      lastLba: 511n,
      attributes: 4n,
      name: Buffer.from('four'.padEnd(36, '\0'), 'utf16le'),
    }),
  );
  for (const [myLba, alternateLba, entriesLba] of [
    [1, sectors - 1, 2],
    [sectors - 1, 1, sectors - 5],
  ] as const) {
    const header = {
      signature: 'EFI PART',
      revision: 0x10000,
      headerSize: 92,
      headerCrc: 0,
      reserved: 0,
      myLba,
      alternateLba,
      firstUsableLba: 6,
      lastUsableLba: sectors - 6,
      diskGuid: new Uint8Array(16).fill(7),
      entriesLba,
      entryCount: 128,
      entrySize: 128,
      entriesCrc: crc32(entries),
    };
    disk.set(gptHeader.encode({ ...header, headerCrc: crc32(gptHeader.encode(header)) }), myLba * 4096);
    disk.set(entries, entriesLba * 4096);
  }
  expect(await contentsOf(disk)).toMatchObject({
    table: 'gpt',
    sectorSize: 4096,
    partitions: [
      {
        start: MiB,
        end: 2 * MiB,
        type: '04030201-0605-0807-090a-0b0c0d0e0f10',
        uuid: '14131211-1615-1817-191a-1b1c1d1e1f20',
        name: 'four',
        isActive: true,
      },
    ],
    usedEnd: 2 * MiB + 5 * 4096,
    notes: [{ code: 'gpt-no-protective-mbr' }],
  });
});
