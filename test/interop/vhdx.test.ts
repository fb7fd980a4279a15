/** VHDX in both directions: what diskimg writes, read by qemu-img and libvhdi; what qemu-img writes, read by diskimg. */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import {
  HEADER_OFFSETS,
  logDescriptor,
  logEntryHeader,
  sealed,
  vhdxHeader,
} from '../../src/formats/vhdx/structs.ts';
import { checkImage, convert, openImage } from '../../src/index.ts';
import { describeWith, qemuImg, qemuInfo, qemuIo, vhdInfo, vhdSha256 } from '../support/native-tools.ts';
import { fillRandom, seededGuest, seededRandom, sha256 } from '../support/seeded-guest.ts';
import { BAT, CHILD_BLOCKS, smallDifferencingVhdx } from '../support/small-vhdx.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const lastBlockOnly = Buffer.alloc(4 * MiB + 4096);
fillRandom(lastBlockOnly.subarray(4 * MiB), seededRandom(5));

const guests = {
  'one sector': seededGuest(4096, 1),
  '5 MiB + 8192': seededGuest(5 * MiB + 8192, 3, 300_000),
  'last block only': lastBlockOnly,
};
const names = Object.keys(guests) as (keyof typeof guests)[];
let count = 0;
const fresh = (ending: string): string => temp(`${count++}.${ending}`);

const variants = [
  {},
  { subformat: 'fixed' },
  { blockSize: MiB },
  { blockSize: 8 * MiB, subformat: 'fixed' },
] as const;

async function digestOf(path: string): Promise<string> {
  await using image = await openImage(path, { format: 'vhdx' });
  const bytes = Buffer.alloc(image.virtualSize, 0xff);
  await image.read(bytes, 0);
  return sha256(bytes);
}

describeWith(
  ['qemu-img', 'qemu-io', 'pyvhdi', 'vhdiinfo'],
  'qemu-img and libvhdi read the VHDX that diskimg writes',
  () => {
    describe.each(variants)('%o', (options) => {
      test.each(names)('%s', async (name) => {
        const guest = guests[name];
        const path = fresh('vhdx');
        await convert(guest, path, { format: 'vhdx', options, input: { format: 'raw' } });
        await qemuImg(['check', '-q', '-f', 'vhdx', path]);
        const raw = fresh('raw');
        await qemuImg(['convert', '-f', 'vhdx', '-O', 'raw', path, raw]);
        expect(sha256(readFileSync(raw))).toBe(sha256(guest));
        expect(await vhdSha256(path)).toBe(sha256(guest));
        expect(await qemuInfo('vhdx', path)).toMatchObject({
          'virtual-size': guest.length,
          'cluster-size': 'blockSize' in options ? options.blockSize : 2 * MiB,
        });
        expect(await digestOf(path)).toBe(sha256(guest));
      });
    });

    test('sectors of 4096 bytes', async () => {
      const guest = guests['5 MiB + 8192'];
      const path = fresh('vhdx');
      const options = { logicalSectorSize: 4096 };
      await convert(guest, path, { format: 'vhdx', options, input: { format: 'raw' } });
      expect(await vhdSha256(path)).toBe(sha256(guest));
      expect(await vhdInfo(path)).toMatch(/Bytes per sector\s*: 4096 bytes/);
      expect(await digestOf(path)).toBe(sha256(guest));
    });

    test('a table of more than one chunk', async () => {
      // A bitmap's entry stands behind every 4096 blocks of 1 MiB: data on both sides of it.
      const source = fresh('raw');
      const path = fresh('vhdx');
      const size = 64 * KiB;
      const places = [4095 * MiB, 4096 * MiB, 4097 * MiB + 4096, 8191 * MiB, 8192 * MiB, 9215 * MiB];
      await qemuImg(['create', '-q', '-f', 'raw', source, '9G']);
      await qemuIo(
        'raw',
        source,
        places.map((place, index) => `write -P ${index + 1} ${place} ${size}`),
      );
      await convert(source, path, { format: 'vhdx', options: { blockSize: MiB } });
      expect(statSync(path).size).toBe((4 + places.length) * MiB);
      await qemuIo(
        'vhdx',
        path,
        places.map((place, index) => `read -P ${index + 1} ${place} ${size}`),
      );
      await using image = await openImage(path);
      for (const [index, place] of places.entries()) {
        const found = Buffer.alloc(size);
        await image.read(found, place);
        expect(found.equals(Buffer.alloc(size, index + 1)), `data at ${place}`).toBe(true);
      }
    });
  },
);

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads the VHDX that qemu-img writes', () => {
  describe.each([
    'subformat=dynamic',
    'subformat=fixed',
    'block_state_zero=off,block_size=1M',
    'subformat=fixed,block_size=4M,log_size=2M',
  ])('%s', (options) => {
    test.each(names)('%s', async (name) => {
      const raw = fresh('raw');
      writeFileSync(raw, guests[name]);
      const path = fresh('vhdx');
      await qemuImg(['convert', '-f', 'raw', '-O', 'vhdx', '-o', options, raw, path]);
      expect(await digestOf(path)).toBe(sha256(guests[name]));
      const { findings } = await checkImage(path, { format: 'vhdx' });
      // QEMU before 8.1 may leave rubbish in the entries of sector bitmaps.
      expect(findings.filter(({ severity }) => severity !== 'warning')).toEqual([]);
    });
  });

  test('written and zeroed in place', async () => {
    const path = fresh('vhdx');
    await qemuImg(['create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', path, '20M']);
    await qemuIo('vhdx', path, [
      'write -P 0x11 3k 1300k',
      'write -P 3 15M 64k',
      'write -P 2 4M 4k',
      'write -z 1M 1M',
    ]);
    const raw = fresh('raw');
    await qemuImg(['convert', '-f', 'vhdx', '-O', 'raw', path, raw]);
    expect(await digestOf(path)).toBe(sha256(readFileSync(raw)));
  });

  test('left in the middle of its work: the log is replayed as qemu-img replays it, and the file stays', async () => {
    const path = fresh('vhdx');
    await qemuImg(['create', '-q', '-f', 'vhdx', '-o', 'block_size=1M', path, '8M']);
    await qemuIo('vhdx', path, ['write -P 1 0 1M']);
    const before = readFileSync(path);
    await qemuIo('vhdx', path, ['write -P 0x22 5M 64k']);
    const dirty = withoutLastUpdate(before, readFileSync(path));
    writeFileSync(path, dirty);

    await using image = await openImage(path);
    expect(image.details.dirty).toBe(true);
    expect(image.notes.map(({ code }) => code)).toEqual(['log-replayed']);
    const found = Buffer.alloc(image.virtualSize, 0xff);
    await image.read(found, 0);
    const converted = fresh('raw');
    await convert(path, converted, { format: 'raw', threads: 2 });
    const { findings } = await checkImage(path);
    expect(findings.map(({ code }) => code)).toEqual(['dirty']);
    expect(readFileSync(path).equals(dirty)).toBe(true);

    const expected = Buffer.alloc(8 * MiB);
    expected.fill(1, 0, MiB).fill(0x22, 5 * MiB, 5 * MiB + 64 * KiB);
    expect(sha256(found)).toBe(sha256(expected));
    expect(sha256(readFileSync(converted))).toBe(sha256(expected));
    await qemuImg(['check', '-q', '-r', 'all', '-f', 'vhdx', path]);
    const raw = fresh('raw');
    await qemuImg(['convert', '-f', 'vhdx', '-O', 'raw', path, raw]);
    expect(sha256(readFileSync(raw))).toBe(sha256(expected));
  });
});

/**
 * The image as it was between the writing of the last entry of its log and what followed: the sector of the table still
 * old, and the log in use.
 */
function withoutLastUpdate(before: Buffer, after: Buffer): Buffer {
  const image = Buffer.from(after);
  const log = Number(image.readBigUInt64LE(HEADER_OFFSETS[0] + vhdxHeader.fields.logOffset.at));
  let at = log;
  while (image.subarray(at, at + 4096).equals(before.subarray(at, at + 4096))) at += 4096;
  const entry = logEntryHeader.decode(image.subarray(at), at);
  expect(entry).toMatchObject({ signature: 'loge', descriptorCount: 1 });
  const descriptor = logDescriptor.decode(image.subarray(at + logEntryHeader.size), at);
  const place = Number(descriptor.fileOffset);
  before.copy(image, place, place, place + 4096);
  for (const header of HEADER_OFFSETS) {
    image.set(entry.logGuid, header + vhdxHeader.fields.logGuid.at);
    sealed(image.subarray(header, header + vhdxHeader.size), vhdxHeader.fields.checksum.at);
  }
  return image;
}

describeWith(['pyvhdi'], 'a differencing disk is read as libvhdi reads it', () => {
  test('through the gate, by any number of threads', async () => {
    const { image, parent } = smallDifferencingVhdx();
    // libvhdi shows the parent in a block of zeros, of which the specification says that zeros must be read.
    image.fill(0, BAT + CHILD_BLOCKS.zero * 8, BAT + CHILD_BLOCKS.zero * 8 + 8);
    const [child, base] = [temp('child.vhdx'), temp('parent.vhdx')];
    writeFileSync(child, image);
    writeFileSync(base, parent);
    await expect(openImage(child)).rejects.toMatchObject({ code: 'needs-parent' });
    const expected = await vhdSha256(child, base);
    for (const threads of [1, 2]) {
      const raw = fresh('raw');
      await convert(child, raw, { format: 'raw', threads, input: { allowPaths: [temp('.')] } });
      expect(sha256(readFileSync(raw))).toBe(expected);
    }
  });
});
