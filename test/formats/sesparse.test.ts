/** SEsparse extents, built here entry by entry: read as qemu-img reads them, and refused where it does or where nobody knows. */

import { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import {
  SE_GRAIN,
  SE_MAGIC,
  SE_VERSION,
  SE_VOLATILE_MAGIC,
  seSparseHeader,
  volatileHeader,
} from '../../src/formats/vmdk/sesparse.ts';
import { checkImage, convert, ImageError, openImage } from '../../src/index.ts';
import { difference } from '../support/guest-disks.ts';
import { describeWith, qemuImg, qemuIo } from '../support/native-tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();
const SECTOR = 512;
const GRAINS = 40;
/** Sectors; a table tells of 16 MiB. */
const place = { volatile: 1, directory: 8, tables: 16, grains: 16 + 3 * 64 } as const;
const CAPACITY = 32 * MiB + 2 * SE_GRAIN + 5 * SECTOR;

/** A grain's entry: its kind, and a number whose lowest 12 bits stand above all others. */
const entry = (kind: number, number = 0): bigint =>
  (BigInt(kind) << 60n) | (BigInt(number & 0xfff) << 48n) | BigInt(Math.floor(number / 4096));
const inTable = (number: number): bigint => 0x1000_0000_0000_0000n | BigInt(number);

interface Made {
  /** Of the disk. */
  readonly sectors?: number;
  readonly directory: readonly bigint[];
  /** By the number of the table and of the entry in it. */
  readonly entries: readonly (readonly [table: number, slot: number, entry: bigint])[];
  readonly header?: Partial<ReturnType<typeof seSparseHeader.decode>>;
  readonly volatile?: Partial<ReturnType<typeof volatileHeader.decode>>;
}

/** Grain n is full of n + 1. */
function extentOf({ directory, entries, header, volatile, sectors = CAPACITY / SECTOR }: Made): Buffer {
  const image = Buffer.alloc(place.grains * SECTOR + GRAINS * SE_GRAIN);
  image.set(
    seSparseHeader.encode({
      ...seSparseHeader.decode(new Uint8Array(512), 0),
      magic: SE_MAGIC,
      version: SE_VERSION,
      capacity: sectors,
      grainSize: 8,
      grainTableSize: 64,
      volatileHeaderOffset: place.volatile,
      volatileHeaderSize: 1,
      grainDirectoryOffset: place.directory,
      grainDirectorySize: 8,
      grainTablesOffset: place.tables,
      grainTablesSize: 3 * 64,
      grainsOffset: place.grains,
      grainsSize: GRAINS * 8,
      ...header,
    }),
  );
  const settled = { ...volatileHeader.decode(new Uint8Array(512), 0), magic: SE_VOLATILE_MAGIC };
  image.set(volatileHeader.encode({ ...settled, ...volatile }), place.volatile * SECTOR);
  directory.forEach((one, index) => void image.writeBigUInt64LE(one, place.directory * SECTOR + index * 8));
  for (const [table, slot, one] of entries)
    image.writeBigUInt64LE(one, (place.tables + table * 64) * SECTOR + slot * 8);
  for (let grain = 0; grain < GRAINS; grain++)
    image.fill(
      grain + 1,
      place.grains * SECTOR + grain * SE_GRAIN,
      place.grains * SECTOR + (grain + 1) * SE_GRAIN,
    );
  return image;
}

function write(name: string, made: Made, parent = 'parentCID=ffffffff'): string {
  writeFileSync(temp(`${name}-sesparse.vmdk`), extentOf(made));
  writeFileSync(
    temp(`${name}.vmdk`),
    `# Disk DescriptorFile\nversion=1\nCID=12345678\n${parent}\ncreateType="seSparse"\n\nRW ${made.sectors ?? CAPACITY / SECTOR} SESPARSE "${name}-sesparse.vmdk"\n\nddb.adapterType = "lsilogic"\n`,
  );
  return temp(`${name}.vmdk`);
}

const whole: Made = {
  // The second table of the disk is the third of the file, and the third one is the first.
  directory: [inTable(1), 0n, inTable(0)],
  entries: [
    [1, 0, entry(3, 7)],
    [1, 1, entry(3, 8)],
    [1, 2, entry(2)],
    [1, 4095, entry(3, 0)],
    [0, 0, entry(3, 9)],
    [0, 2, entry(3, 39)],
  ],
};
const expected = Buffer.alloc(CAPACITY);
expected
  .fill(8, 0, SE_GRAIN)
  .fill(9, SE_GRAIN, 2 * SE_GRAIN)
  .fill(1, 4095 * SE_GRAIN, 4096 * SE_GRAIN);
expected.fill(10, 8192 * SE_GRAIN, 8193 * SE_GRAIN).fill(40, 8194 * SE_GRAIN);

const allowed = { allowPaths: [temp('.')] };

async function guestOf(path: string, threads = 1): Promise<Buffer> {
  await convert(path, temp('back.raw'), { format: 'raw', threads, input: allowed });
  return readFileSync(temp('back.raw'));
}

/** What reading it throws, or that it is read. */
async function outcomeOf(path: string): Promise<string> {
  try {
    await guestOf(path);
    return 'read';
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return error.code;
  }
}

describe('an extent', () => {
  test.each([1, 3])('is read, on %i threads', async (threads) => {
    expect(difference(await guestOf(write('whole', whole), threads), expected)).toBeUndefined();
  });

  it('is read without its descriptor, too, and checked', async () => {
    write('bare', whole);
    await using image = await openImage(temp('bare-sesparse.vmdk'));
    expect(image).toMatchObject({
      format: 'vmdk',
      virtualSize: CAPACITY,
      notes: [{ code: 'no-descriptor' }],
    });
    const end = new Uint8Array(5000);
    await image.read(end, CAPACITY - 5000);
    expect(difference(end, expected.subarray(-5000))).toBeUndefined();
    expect(await checkImage(temp('bare-sesparse.vmdk'))).toMatchObject({
      'allocated-clusters': 5,
      findings: [],
    });
    const twice: Made = {
      directory: [inTable(0)],
      entries: [
        [0, 0, entry(3, 1)],
        [0, 9, entry(3, 1)],
      ],
    };
    expect(await checkImage(new Uint8Array(extentOf(twice)))).toMatchObject({
      findings: [{ code: 'overlap' }],
    });
  });

  it('cut anywhere is an error', async () => {
    const image = extentOf(whole);
    const needed = image.length - 3 * SECTOR; // the last grain is not all on the disk
    const places = [0, 4095 * SE_GRAIN, 8192 * SE_GRAIN, 8194 * SE_GRAIN];
    const outcome = async (cut: number): Promise<string> => {
      try {
        await using one = await openImage(new Uint8Array(image.subarray(0, cut)), { format: 'vmdk' });
        for (const at of places) await one.read(new Uint8Array(2560), at);
        return 'read';
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
        return error.code;
      }
    };
    for (let cut = 600; cut < needed; cut += 4001)
      expect([cut, await outcome(cut)]).toEqual([cut, 'truncated']);
    expect([await outcome(needed - 1), await outcome(needed)]).toEqual(['truncated', 'read']);
  });
});

const table0 = (one: bigint): Made => ({ directory: [inTable(0)], entries: [[0, 3, one]] });

/** What is to come of each, and whether qemu-img reads it. */
const cases: readonly (readonly [what: string, made: Made, outcome: string, qemu: 'read' | 'refused'])[] = [
  ['the last grain', table0(entry(3, GRAINS - 1)), 'read', 'read'],
  ['an unmapped grain without a parent', table0(entry(1)), 'read', 'read'],
  ['a grain past the end', table0(entry(3, GRAINS)), 'truncated', 'read'],
  ['a grain far past the end', table0(entry(3, 4096)), 'truncated', 'read'],
  ['a grain past all files', table0(0x3fff_ffff_ffff_ffffn), 'truncated', 'read'],
  ['no kind, but a number', table0(entry(0, 2)), 'bad-table', 'refused'],
  ['a kind that is none', table0(entry(4, 2)), 'bad-table', 'refused'],
  ['the last kind', table0(entry(15, 2)), 'bad-table', 'refused'],
  ['a directory with a bare number', { directory: [1n], entries: [] }, 'bad-table', 'refused'],
  [
    'a directory of another kind',
    { directory: [0x3000_0000_0000_0000n], entries: [] },
    'bad-table',
    'refused',
  ],
  ['a table past the end', { directory: [inTable(2 ** 31)], entries: [] }, 'truncated', 'refused'],
  ['a journal', { ...whole, volatile: { replayJournal: 1n } }, 'unsupported-feature', 'refused'],
  ['no volatile header', { ...whole, volatile: { magic: SE_MAGIC } }, 'bad-header', 'refused'],
  ['another version', { ...whole, header: { version: 1n } }, 'unsupported-version', 'refused'],
  ['grains of 8 KiB', { ...whole, header: { grainSize: 16 } }, 'unsupported-feature', 'refused'],
  ['larger tables', { ...whole, header: { grainTableSize: 128 } }, 'unsupported-feature', 'refused'],
  ['a flag', { ...whole, header: { flags: 1n } }, 'unsupported-feature', 'refused'],
  ['a smaller disk', { ...whole, header: { capacity: 8 } }, 'bad-header', 'read'],
  ['a disk of no sectors', { ...whole, header: { capacity: 0 } }, 'bad-header', 'read'],
  [
    'a directory on the header',
    { ...whole, header: { grainDirectoryOffset: 0 } },
    'bad-reference',
    'refused',
  ],
  ['a directory past the end', { ...whole, header: { grainDirectoryOffset: 2 ** 40 } }, 'truncated', 'read'],
  ['too small a directory', { ...whole, header: { grainDirectorySize: 0 } }, 'bad-header', 'refused'],
  ['no SEsparse extent', { ...whole, header: { magic: 1n } }, 'bad-header', 'refused'],
];

test.each(cases)('with %s', async (_, made, outcome) => {
  expect(await outcomeOf(write('case', { ...made, sectors: 64 }))).toBe(outcome);
});

describeWith(['qemu-img', 'qemu-io'], 'beside qemu-img', () => {
  it('the same disk', async () => {
    await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', write('theirs', whole), temp('theirs.raw')]);
    // They round the disk up to whole grains.
    expect(difference(readFileSync(temp('theirs.raw')).subarray(0, CAPACITY), expected)).toBeUndefined();
  });

  it('the same images are refused; some more of ours', async () => {
    const differing: string[] = [];
    for (const [what, made, outcome, qemu] of cases) {
      const path = write('theirs', { ...made, sectors: 64 });
      const read = await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', path, temp('t.raw')]).then(
        () => 'read',
        () => 'refused',
      );
      // What qemu-img refuses, we refuse; the other way round it is a grain that is not there, as zeros.
      if (read === 'refused' && outcome === 'read') differing.push(what);
      if (read !== qemu) differing.push(`${what}: ${read}`);
    }
    expect(differing).toEqual([]);
  });

  it('a snapshot shows its parent where it has nothing, and zeros where it has them', async () => {
    await qemuImg(['create', '-q', '-f', 'vmdk', temp('base.vmdk'), String(CAPACITY)]);
    await qemuIo('vmdk', temp('base.vmdk'), ['write -q -P 0xee 0 64k']);
    const [, cid = ''] = /^CID=(\w+)/m.exec(readFileSync(temp('base.vmdk'), 'latin1')) ?? [];
    const parent = `parentCID=${cid}\nparentFileNameHint="base.vmdk"`;
    const path = write('child', whole, parent);
    const shown = Buffer.from(expected).fill(0xee, 3 * SE_GRAIN, 64 * KiB);
    expect(difference(await guestOf(path), shown)).toBeUndefined();
    await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', path, temp('theirs.raw')]);
    expect(difference(readFileSync(temp('theirs.raw')).subarray(0, CAPACITY), shown)).toBeUndefined();
    expect(await outcomeOf(write('unmapped', table0(entry(1)), parent))).toBe('unsupported-feature');
  });
});
