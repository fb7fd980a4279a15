/** Damaged images read as far as they can be: what is not lost is right, what is lost is known. */

import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GiB, KiB, MiB } from '../src/binary/align.ts';
import { mergeLosses } from '../src/conversion/salvage.ts';
import { convert, type FormatName, type LostRange, openImage } from '../src/index.ts';
import { diskimg } from './support/command.ts';
import { fixtureBytes, fixtureNamed } from './support/fixtures.ts';
import { fillRandom, seededRandom } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();

/** More than the work that a conversion does without threads, and holes in it. */
const SIZE = 48 * MiB;
const guest = Buffer.alloc(SIZE);
fillRandom(guest.subarray(0, 30 * MiB), seededRandom(91));
fillRandom(guest.subarray(40 * MiB), seededRandom(92));
const source = temp('guest.raw');
writeFileSync(source, guest);

const made = new Map<string, Buffer>();

/** A copy of the image, which is made once. */
async function imageOf(format: FormatName, options: object = {}): Promise<Buffer> {
  const name = `${format} ${JSON.stringify(options)}`;
  const known = made.get(name);
  if (known) return Buffer.from(known);
  const path = temp(`sound.${format}`);
  await convert(source, path, { format, options, reproducible: { timestamp: 0 } } as never);
  const image = readFileSync(path);
  made.set(name, image);
  return Buffer.from(image);
}

/** Converts the damaged image, and checks that everything outside the losses is right, and all within them zero. */
async function salvaged(
  image: Uint8Array,
  format: FormatName,
  threads: number,
): Promise<readonly LostRange[]> {
  const [damaged, raw] = [temp(`damaged.${format}`), temp('salvaged.raw')];
  writeFileSync(damaged, image);
  const keepsSize = format === 'zvhd' || format === 'zvhd2';
  const { lost } = await convert(damaged, raw, {
    format: 'raw',
    ...(keepsSize && { size: 'original' }),
    threads,
    input: { format, salvage: true },
  });
  const expected = Buffer.from(guest);
  for (const { guestOffset, length, code, message } of lost ?? []) {
    expect(code).toMatch(/^[a-z-]+$/);
    expect(message).not.toBe('');
    expected.fill(0, Math.min(SIZE, guestOffset), Math.min(SIZE, guestOffset + length));
  }
  expect(readFileSync(raw).equals(expected)).toBe(true);
  return lost ?? [];
}

const sum = (ranges: readonly LostRange[]): number => ranges.reduce((total, { length }) => total + length, 0);

const cases = [
  ['qcow2', {}],
  ['qcow2', { clusterSize: 4 * KiB }],
  ['vhd', {}],
  ['vhdx', {}],
  ['vdi', {}],
  ['vmdk', {}],
  ['vmdk', { compress: true }],
  ['zvhd', {}],
  ['zvhd2', {}],
] as const;

describe.each(cases)('%s %j', (format, options) => {
  test('a sound image loses nothing', async () => {
    expect(await salvaged(await imageOf(format, options), format, 2)).toEqual([]);
  });

  test('of half a download, the half that came is kept', async () => {
    const image = await imageOf(format, options);
    // qcow2's tables stand behind its data: without them nothing tells what the clusters are.
    const isTableless = format === 'qcow2';
    const half = image.subarray(0, Math.floor(image.length / 2));
    const reading = salvaged(half, format, 2);
    if (isTableless) {
      await expect(reading).rejects.toMatchObject({ code: 'truncated' });
      return;
    }
    const lost = await reading;
    expect(sum(lost)).toBeGreaterThan(0);
    // All blocks behind the cut may be lost, zeros too where nothing tells them from data.
    expect(lost[0]?.guestOffset).toBeGreaterThanOrEqual(16 * MiB);
  });
});

describe.each(['zvhd', 'zvhd2'] as const)('%s', (format) => {
  test.each([1, 3])('damage costs the blocks that it hits (%i threads)', async (threads) => {
    const image = await imageOf(format);
    const third = Math.floor(image.length / 3);
    // Where a record begins: elsewhere changed data may well decode to something.
    const at = image.indexOf('hwstream bg', third);
    image.fill(0x5a, at, at + 8 * KiB);
    const lost = await salvaged(image, format, threads);
    // One stream runs through a ZVHD: what is behind the damage is lost.
    if (format === 'zvhd') expect(sum(lost)).toBeGreaterThan(20 * MiB);
    else expect(lost).toMatchObject([{ length: 2 * MiB }]);
  });
});

test('a streamed VMDK without its end is read from the front, with a note', async () => {
  const image = await imageOf('vmdk', { compress: true });
  const path = temp('no-footer.vmdk');
  writeFileSync(path, image.subarray(0, image.length - 4096));
  await expect(openImage(path)).rejects.toMatchObject({ code: 'truncated' });
  const report = await convert(path, temp('walked-vmdk.raw'), { format: 'raw', input: { salvage: true } });
  expect(report.notes).toMatchObject([{ code: 'no-index' }]);
  const lost = report.lost ?? [];
  const last = lost.at(-1);
  // What is behind the last grain is lost with the directory: nothing says that it is zeros.
  expect(lost.length).toBeLessThanOrEqual(1);
  const kept = last?.guestOffset ?? SIZE;
  expect(readFileSync(temp('walked-vmdk.raw')).subarray(0, kept).equals(guest.subarray(0, kept))).toBe(true);
});

test('a ZVHD2 without its index is read from the front, with a note', async () => {
  const image = await imageOf('zvhd2');
  const path = temp('no-index.zvhd2');
  writeFileSync(path, image.subarray(0, image.length - 4096));
  await expect(openImage(path)).rejects.toMatchObject({ code: expect.any(String) });
  const report = await convert(path, temp('walked.raw'), {
    format: 'raw',
    size: 'original',
    input: { salvage: true },
  });
  expect(report.lost).toEqual([]);
  expect(report.notes).toEqual([expect.objectContaining({ code: 'no-index' })]);
  expect(readFileSync(temp('walked.raw')).equals(guest)).toBe(true);
});

test('compressed qcow2: damaged clusters are lost, and no others', async () => {
  const image = await imageOf('qcow2', { compress: true, clusterSize: 64 * KiB });
  const text = Buffer.alloc(8 * MiB, 'a line of text that compresses well\n');
  const path = temp('text.raw');
  writeFileSync(path, text);
  await convert(path, temp('text.qcow2'), { format: 'qcow2', options: { compress: true } });
  const small = readFileSync(temp('text.qcow2'));
  small.fill(0xff, 65536 + 200, 65536 + 260);
  writeFileSync(temp('text-damaged.qcow2'), small);
  const { lost = [] } = await convert(temp('text-damaged.qcow2'), temp('text-out.raw'), {
    format: 'raw',
    input: { salvage: true },
  });
  expect(lost.length).toBeGreaterThan(0);
  expect(sum(lost)).toBeLessThan(MiB);
  const expected = Buffer.from(text);
  for (const { guestOffset, length } of lost) expected.fill(0, guestOffset, guestOffset + length);
  expect(readFileSync(temp('text-out.raw')).equals(expected)).toBe(true);
  expect(image.length).toBeGreaterThan(0);
});

test('a qcow2 that is marked as corrupt is read', async () => {
  const fixture = fixtureNamed('qcow2/corrupt-flag');
  const { lost } = await convert(fixtureBytes(fixture), temp('corrupt.raw'), {
    format: 'raw',
    input: { salvage: true },
  });
  expect(lost).toEqual([]);
});

test('a VHD with a table entry that cannot be: that block, and no other', async () => {
  const image = await imageOf('vhd');
  image.writeUInt32BE(0x7fffffff, 1536 + 4 * 3);
  expect(await salvaged(image, 'vhd', 2)).toMatchObject([
    { guestOffset: 6 * MiB, length: 2 * MiB, code: 'truncated' },
  ]);
});

test('a sequential search for lost extents ends soon on a disk of a TiB', async () => {
  const fixture = fixtureNamed('qcow2/huge');
  const image = Buffer.from(fixtureBytes(fixture));
  const l1 = Number(image.readBigUInt64BE(40));
  for (let entry = 0; entry < 64; entry++) image.writeBigUInt64BE(0x7fff0000n, l1 + entry * 8);
  await using opened = await openImage(image, { salvage: true });
  expect(opened.virtualSize).toBeGreaterThan(512 * GiB);
});

test('the command lists what is lost, and ends with 1', async () => {
  const image = await imageOf('vhd');
  image.writeUInt32BE(0x7fffffff, 1536 + 4 * 3);
  const path = temp('listed.vhd');
  writeFileSync(path, image);
  const told = await diskimg(['convert', '--salvage', path, temp('listed.raw')]);
  expect(told.code).toBe(1);
  expect(told.err).toContain('lost: guest bytes 6291456 to 8388608 (2 MiB): [truncated] Block 3');
  const events = await diskimg(['convert', '--salvage', '--progress', 'json', path, temp('listed.raw')]);
  const done = JSON.parse(events.err.trim().split('\n').at(-1) ?? '');
  expect(done).toMatchObject({ event: 'done', lost: [{ guestOffset: 6 * MiB, length: 2 * MiB }] });
});

test('losses that touch each other are one, unless their reasons differ', () => {
  const loss = (guestOffset: number, length: number, code: LostRange['code']): LostRange => ({
    guestOffset,
    length,
    code,
    message: code,
  });
  const merged = mergeLosses([
    loss(8, 4, 'truncated'),
    loss(0, 8, 'truncated'),
    loss(12, 4, 'bad-data'),
    loss(20, 4, 'bad-data'),
  ]);
  expect(merged.map(({ guestOffset, length }) => [guestOffset, length])).toEqual([
    [0, 12],
    [12, 4],
    [20, 4],
  ]);
});
