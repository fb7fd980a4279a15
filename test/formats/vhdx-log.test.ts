/** Logs of VHDX in every state, written as the specification has it: which entries count, and what is read through them. */

import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { checkImage, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import {
  BAT,
  cleanVhdx,
  type EntryDraft,
  LOG,
  logEntry,
  smallDirtyVhdx,
  tableSector,
  withLog,
} from '../support/small-vhdx.ts';

const SECTOR = 4 * KiB;
const LAST = MiB - SECTOR;

async function diskOf(image: Uint8Array): Promise<Buffer> {
  await using opened = await openImage(image, { format: 'vhdx' });
  const disk = Buffer.alloc(opened.virtualSize, 0xff);
  await opened.read(disk, 0);
  return disk;
}

const clean = cleanVhdx();
const sound = await diskOf(clean);
/** A table of nothing, and that of the image with one of its blocks, 9, taken out. */
const nothing = Buffer.alloc(SECTOR);
const withoutNine = tableSector(clean).fill(0, 72, 80);
const disk = {
  sound,
  empty: Buffer.alloc(sound.length),
  withoutNine: Buffer.from(sound).fill(0, 9 * MiB, 10 * MiB),
};

/** An entry that writes the first sector of the table. */
const entry = (sequenceNumber: number, tail: number, bytes: Buffer, more: Partial<EntryDraft> = {}) =>
  logEntry({ sequenceNumber: BigInt(sequenceNumber), tail, updates: [{ fileOffset: BAT, bytes }], ...more });

describe('what is read', () => {
  type Log = readonly (readonly [at: number, entry: Uint8Array])[];
  const SIZE = 2 * SECTOR;
  const cases: readonly (readonly [name: string, log: Log, expected: keyof typeof disk])[] = [
    ['one entry', [[0, entry(1, 0, withoutNine)]], 'withoutNine'],
    ['one entry in the middle', [[40 * SECTOR, entry(9, 40 * SECTOR, withoutNine)]], 'withoutNine'],
    [
      'the later of two writes to a place',
      [
        [0, entry(1, 0, nothing)],
        [SIZE, entry(2, 0, withoutNine)],
      ],
      'withoutNine',
    ],
    [
      'entries before the tail are done with',
      [
        [0, entry(1, 0, nothing)],
        [SIZE, logEntry({ sequenceNumber: 2n, tail: SIZE, updates: [] })],
      ],
      'sound',
    ],
    [
      'the sequence with the greater number, wherever it stands',
      [
        [0, entry(5, 0, withoutNine)],
        [64 * SECTOR, entry(3, 64 * SECTOR, nothing)],
      ],
      'withoutNine',
    ],
    [
      'around the end of the log, between entries',
      [
        [MiB - SIZE, entry(1, MiB - SIZE, nothing)],
        [0, entry(2, MiB - SIZE, withoutNine)],
      ],
      'withoutNine',
    ],
    ['around the end of the log, within an entry', [[LAST, entry(1, LAST, withoutNine)]], 'withoutNine'],
    [
      'a gap in the numbers ends a sequence',
      [
        [0, entry(1, 0, withoutNine)],
        [SIZE, entry(3, 0, nothing)],
      ],
      'withoutNine',
    ],
    [
      'an entry of another session does not count',
      [
        [0, entry(1, 0, withoutNine)],
        [SIZE, entry(2, 0, nothing, { guid: new Uint8Array(16).fill(1) })],
      ],
      'withoutNine',
    ],
    [
      'an entry that is damaged does not count',
      [
        [0, entry(1, 0, withoutNine)],
        [SIZE, Buffer.from(entry(2, 0, nothing)).fill(1, 6000, 6001)],
      ],
      'withoutNine',
    ],
    [
      'a head whose tail is lost does not count',
      [
        [0, entry(1, 0, withoutNine)],
        [64 * SECTOR, entry(8, 32 * SECTOR, nothing)],
      ],
      'withoutNine',
    ],
    [
      'zeros',
      [[0, logEntry({ sequenceNumber: 1n, tail: 0, updates: [{ fileOffset: BAT, zeros: 2 * SECTOR }] })]],
      'empty',
    ],
    [
      'bytes over a part of zeros',
      [
        [
          0,
          logEntry({
            sequenceNumber: 1n,
            tail: 0,
            updates: [
              { fileOffset: BAT - 8 * SECTOR, zeros: 40 * SECTOR },
              { fileOffset: BAT, bytes: withoutNine },
            ],
          }),
        ],
      ],
      'withoutNine',
    ],
    [
      'more descriptors than a sector has room for',
      [
        [
          0,
          logEntry({
            sequenceNumber: 2n ** 40n + 3n,
            tail: 0,
            updates: [
              ...Array.from({ length: 130 }, (_, index) => ({
                fileOffset: BAT + (index + 1) * SECTOR,
                bytes: nothing,
              })),
              { fileOffset: BAT, bytes: withoutNine },
            ],
          }),
        ],
      ],
      'withoutNine',
    ],
  ];
  test.each(cases)('%s', async (_name, log, expected) => {
    expect((await diskOf(withLog(clean, log))).equals(disk[expected])).toBe(true);
  });

  test('what is in the log only', async () => {
    await using image = await openImage(smallDirtyVhdx());
    expect(image.details.dirty).toBe(true);
    expect(image.notes.map(({ code }) => code)).toEqual(['log-replayed']);
    expect((await diskOf(smallDirtyVhdx())).equals(disk.sound)).toBe(true);
  });

  test('a block behind the end of the file, which the log has made larger: zeros', async () => {
    const table = Buffer.from(withoutNine);
    table.writeBigUInt64LE(BigInt(clean.length) + 6n, 5 * 8);
    const larger = entry(1, 0, table, { lastFileOffset: clean.length + MiB });
    expect((await diskOf(withLog(clean, [[0, larger]]))).equals(disk.withoutNine)).toBe(true);
    const smaller = withLog(clean, [[0, entry(1, 0, table)]]);
    await expect(diskOf(smaller)).rejects.toMatchObject({ code: 'truncated' });
  });

  test('guest data that the log writes', async () => {
    const bytes = Buffer.alloc(SECTOR, 0x77);
    const place = Number(Buffer.from(clean).readBigUInt64LE(BAT) - 6n);
    const updates = [{ fileOffset: place + 3 * SECTOR, bytes }];
    const expected = Buffer.from(sound);
    bytes.copy(expected, 3 * SECTOR);
    const found = await diskOf(withLog(clean, [[0, logEntry({ sequenceNumber: 1n, tail: 0, updates })]]));
    expect(found.equals(expected)).toBe(true);
  });

  test('the image stays as it is', async () => {
    const image = smallDirtyVhdx();
    const before = Buffer.from(image);
    await diskOf(image);
    await checkImage(image);
    expect(image.equals(before)).toBe(true);
  });
});

describe('what is refused', () => {
  test('a log without a whole sequence', async () => {
    const image = withLog(clean, [[0, Buffer.from(entry(1, 0, nothing)).fill(1, 100, 101)]]);
    await expect(diskOf(image)).rejects.toMatchObject({ code: 'bad-table', fileOffset: LOG });
    const { findings } = await checkImage(image);
    expect(findings.map(({ code }) => code)).toEqual(['bad-table']);
  });

  test('a file that is shorter than its log says', async () => {
    const longer = entry(1, 0, withoutNine, { flushedFileOffset: clean.length + MiB });
    const refused = diskOf(withLog(clean, [[0, longer]]));
    await expect(refused).rejects.toMatchObject({ code: 'truncated', fileOffset: clean.length });
  });

  test('entries within entries, which would take forever to sum', async () => {
    // Each sector claims to be an entry of all of the log: a MiB to sum for each of 256.
    const sectors = Array.from({ length: 256 }, (_, index) => {
      const sector = Buffer.alloc(SECTOR);
      entry(1, 0, nothing).copy(sector, 0, 0, SECTOR);
      sector.writeUInt32LE(MiB, 8);
      return [index * SECTOR, sector] as const;
    });
    let read = 0;
    const image = withLog(clean, sectors);
    const source = memorySource(image);
    const counted = {
      ...source,
      read: (into: Uint8Array, at: number) => {
        read += into.length;
        return source.read(into, at);
      },
    };
    await expect(openImage(counted)).rejects.toMatchObject({
      code: 'bad-table',
      message: expect.stringContaining('again and again'),
    });
    expect(read).toBeLessThan(2 * MiB);
  });

  test('a log that is larger than what may be kept in memory', async () => {
    const refused = openImage(smallDirtyVhdx(), { maxMetadataBytes: 64 * KiB });
    await expect(refused).rejects.toMatchObject({ code: 'over-budget' });
  });
});
