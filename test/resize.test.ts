/** Disks that grow in place: the same bytes and zeros behind them, whatever happens on the way. */

import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { alignUp, KiB, MiB, TiB } from '../src/binary/align.ts';
import { checkImage, createImage, openImage, resizeImage, writableFormatNamed } from '../src/index.ts';
import { isZero } from '../src/io/zeros.ts';
import { type Variation, variations } from './contracts/variations.ts';
import { fixtureBytes, fixtureNamed, fixtures } from './support/fixtures.ts';
import { type GuestDisk, guestDisk, noise } from './support/guest-disks.ts';
import { crashStates, memoryEditor } from './support/memory-editor.ts';
import { readGuest, virtualSizeFor, writeImage } from './support/memory-images.ts';
import {
  describeWith,
  qemuFormat,
  qemuImg,
  qemuInfo,
  qemuIo,
  vhdMediaSize,
  vhdSha256,
} from './support/native-tools.ts';
import { seededGuest, sha256 } from './support/seeded-guest.ts';
import { tempFolder } from './support/temp-folder.ts';

const temp = tempFolder();
const runs = { seed: 20_240_606, numRuns: 4 };

const growing = variations.filter(({ format }) => format.grow);

/** Grows `before` in memory; the bytes after it, and what was done. */
async function grow(format: string, before: Uint8Array, size: number) {
  const editor = memoryEditor(before);
  await writableFormatNamed(format).grow?.(editor, size);
  return editor;
}

/** The image's size, its bytes as they were up to `old`, and nothing but zeros behind them. */
async function requireDisk(format: string, bytes: Uint8Array, disk: Uint8Array, old: number, footer = false) {
  await using image = await openImage(bytes, { format: format as 'raw' });
  const guest = await readGuest(image, 0, image.virtualSize);
  expect(Buffer.compare(guest.subarray(0, disk.length), disk)).toBe(0);
  const isFooter = footer && image.virtualSize > old;
  const behind = guest.subarray(isFooter ? old + 512 : disk.length);
  expect(isZero(behind)).toBe(true);
  return image.virtualSize;
}

/** How much more, for each variation: within a block, some blocks, more than a table of small clusters. */
const more = fc.oneof(
  fc.constantFrom(512, 1024, 4 * KiB, 64 * KiB, 2 * MiB, 9 * MiB),
  fc.nat(6 * MiB).map((bytes) => alignUp(bytes + 1, 512)),
);

describe.each(growing)('$name', (variation) => {
  const { format } = variation;

  it('grows: the same bytes, and zeros', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, more, async (disk, by) => {
        const { bytes, old, size } = await written(variation, disk, by);
        const after = (await grow(format.name, bytes, size)).bytes();
        expect(await requireDisk(format.name, after, disk.bytes, old)).toBe(size);
        const path = temp(`checked ${variation.name}`);
        writeFileSync(path, after);
        if (format.check) {
          const { corruptions = 0, leaks = 0 } = await checkImage(path, { format: format.name });
          expect({ corruptions, leaks }).toEqual({ corruptions: 0, leaks: 0 });
        }
      }),
      runs,
    ));

  it('is an image of the old or the new size wherever a crash stops it', () =>
    fc.assert(
      fc.asyncProperty(guestDisk, more, async (disk, by) => {
        const { bytes, old, size } = await written(variation, disk, by);
        const { log } = await grow(format.name, bytes, size);
        const isFixed = variation.options.subformat === 'fixed';
        for (const state of crashStates(bytes, log)) {
          // Of raw the file's length is all there is.
          const found = await requireDisk(format.name, state, disk.bytes, old, isFixed);
          expect([old, size]).toContain(found);
        }
      }),
      { ...runs, numRuns: 2 },
    ));

  it('grows again and again', async () => {
    const disk = seededGuest(100 * KiB + 512, 5);
    let { bytes } = await writeImage(variation, disk);
    let size = virtualSizeFor(variation, disk.length);
    for (const by of [512, 60 * KiB, 3 * MiB, 512, 7 * MiB, 20 * MiB]) {
      const old = size;
      size += by;
      bytes = (await grow(format.name, bytes, size)).bytes() as typeof bytes;
      expect(await requireDisk(format.name, bytes, disk, old)).toBe(size);
    }
  });
});

async function written(variation: Variation, disk: GuestDisk, by: number) {
  const { bytes } = await writeImage(variation, disk.bytes);
  const old = virtualSizeFor(variation, disk.bytes.length);
  return { bytes, old, size: alignUp(old + by, variation.format.sizeUnit) };
}

/** A qcow2 whose refcount table is about to be too short: 64 entries of 256 clusters of 512 bytes. */
const nearlyFullTable = () =>
  writeImage(
    { format: writableFormatNamed('qcow2'), options: { clusterSize: 512 } },
    noise(15_900 * 512, 41),
  );

describe('a refcount table that is too short', () => {
  it('moves with the L1 table, and no crash is in its way', async () => {
    const { bytes } = await nearlyFullTable();
    const disk = noise(15_900 * 512, 41);
    const editor = await grow('qcow2', bytes, 1024 * MiB);
    const clusters = (file: Uint8Array): number => Buffer.from(file).readUInt32BE(56);
    expect(clusters(editor.bytes())).toBeGreaterThan(clusters(bytes));
    for (const state of crashStates(bytes, editor.log)) {
      await using image = await openImage(state, { format: 'qcow2' });
      expect([disk.length, 1024 * MiB]).toContain(image.virtualSize);
      expect(Buffer.compare(await readGuest(image, 0, disk.length), disk)).toBe(0);
    }
  });
});

describe('what the guest left behind the end of the disk', () => {
  test.each(['vhd', 'qcow2'] as const)('of %s does not come to light', async (format) => {
    const { bytes } = await writeImage(
      { format: writableFormatNamed(format), options: {} },
      seededGuest(100 * KiB, 6).subarray(0, 96 * KiB + 512),
    );
    // The last block is stored whole; its end is filled with something.
    await using image = await openImage(bytes, { format });
    const stained = bytes.slice();
    for await (const extent of image.extents()) {
      if (extent.kind !== 'data') continue;
      const end = extent.fileOffset + extent.length;
      if (extent.guestOffset + extent.length === image.virtualSize) stained.fill(0xee, end, end + 20 * KiB);
    }
    expect(Buffer.compare(stained, bytes)).not.toBe(0);
    const disk = await readGuest(image, 0, image.virtualSize);
    const after = (await grow(format, stained, 4 * MiB)).bytes();
    expect(await requireDisk(format, after, disk, disk.length)).toBe(4 * MiB);
  });
});

describe('resizeImage', () => {
  const fresh = async (name: string, format: 'raw' | 'qcow2' | 'vhd' | 'zvhd2', size: number) => {
    await createImage(temp(name), { format, size });
    return temp(name);
  };

  it('takes a size, or how much more', async () => {
    const path = await fresh('a.qcow2', 'qcow2', MiB);
    expect(await resizeImage(path, 3 * MiB)).toEqual({
      filename: path,
      format: 'qcow2',
      previousVirtualSize: MiB,
      virtualSize: 3 * MiB,
      notes: [],
    });
    expect((await resizeImage(path, { growBy: 2 ** 40 })).virtualSize).toBe(3 * MiB + 2 ** 40);
    await using image = await openImage(path);
    expect(image.virtualSize).toBe(3 * MiB + 2 ** 40);
  });

  it('rounds up where the format must, and says so', async () => {
    const path = await fresh('b.qcow2', 'qcow2', MiB);
    const { virtualSize, notes } = await resizeImage(path, MiB + 1);
    expect({ virtualSize, codes: notes.map(({ code }) => code) }).toEqual({
      virtualSize: MiB + 512,
      codes: ['rounded-size'],
    });
  });

  it('leaves an image of that size alone', async () => {
    const path = await fresh('c.vhd', 'vhd', 5 * MiB);
    const before = readFileSync(path);
    expect(await resizeImage(path, 5 * MiB)).toMatchObject({ previousVirtualSize: 5 * MiB });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('makes a raw file longer without storing zeros', async () => {
    const path = await fresh('d.raw', 'raw', MiB);
    await resizeImage(path, TiB);
    expect(statSync(path)).toMatchObject({ size: TiB });
    expect(statSync(path).blocks * 512).toBeLessThan(MiB);
  });

  it.each(['raw', 'qcow2', 'vhd'] as const)(
    'does not make %s smaller, and says what does',
    async (format) => {
      const path = await fresh(`e.${format}`, format, 5 * MiB);
      await expect(resizeImage(path, MiB)).rejects.toMatchObject({
        code: 'bad-size',
        hint: expect.stringContaining('diskimg convert --size 1048576'),
      });
    },
  );

  it('refuses a format that is written in one go', async () => {
    const path = await fresh('f.zvhd2', 'zvhd2', MiB);
    await expect(resizeImage(path, TiB)).rejects.toMatchObject({
      code: 'unsupported-feature',
      hint: expect.stringContaining('--size'),
    });
  });

  it.each([
    ['qcow2/snapshots', 'unsupported-feature'],
    ['qcow2/dirty', 'unsupported-feature'],
    ['qcow2/bitmap', 'unsupported-feature'],
    ['qcow2/backing', 'unsupported-feature'],
    ['qcow2/corrupt-flag', 'marked-corrupt'],
    ['qcow2/encrypted-luks', 'encrypted'],
    ['qcow2/data-file', 'needs-data-file'],
    ['vhd/damaged-end-footer', 'unsupported-feature'],
    ['vhd/damaged-first-footer', 'unsupported-feature'],
    ['vhd/short-end-footer', 'unsupported-feature'],
    ['vhd/differencing', 'unsupported-feature'],
    ['vhd/creator-vpc', 'bad-size'],
  ])('refuses %s as it is: %s', async (name, code) => {
    const path = temp('fixture');
    const bytes = fixtureBytes(fixtureNamed(name));
    writeFileSync(path, bytes);
    await expect(resizeImage(path, 16 * MiB)).rejects.toMatchObject({ code, hint: expect.any(String) });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it.each([
    ['qcow2', 2 ** 52],
    ['vhd', 3 * TiB],
  ] as const)('refuses %s of a size that it cannot have', async (format, size) => {
    const path = await fresh(`g.${format}`, format, MiB);
    await expect(resizeImage(path, size)).rejects.toMatchObject({ code: 'bad-size' });
  });

  it('refuses a dynamic VHD whose table has no room, and says how far it goes', async () => {
    const path = await fresh('h.vhd', 'vhd', 5 * MiB);
    writeFileSync(temp('h.raw'), new Uint8Array(5 * MiB).fill(1));
    const { bytes } = await writeImage(
      { format: writableFormatNamed('vhd'), options: {} },
      new Uint8Array(5 * MiB).fill(1),
    );
    writeFileSync(path, bytes);
    const attempt = resizeImage(path, 100 * 1024 * MiB);
    await expect(attempt).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringMatching(/no room for more than \d+ bytes/),
    });
    const room = Number(/more than (\d+)/.exec(await attempt.catch((error) => error.message))?.[1]);
    await resizeImage(path, room);
    await using image = await openImage(path);
    expect(image.virtualSize).toBe(room);
    expect((await readGuest(image, 0, 5 * MiB)).every((byte) => byte === 1)).toBe(true);
  });
});

/** What qemu-img says of disks that are the same, and of the same size: it has a warning before it where that differs. */
const IDENTICAL = 'Images are identical.\n';

describeWith(['qemu-img', 'qemu-io'], 'what qemu-img made, grown and checked by qemu-img', () => {
  const guest = seededGuest(5 * MiB + 1536, 31);

  const options = [
    ...['512', '4k', '64k', '2M'].flatMap((size) => [
      `cluster_size=${size}`,
      `cluster_size=${size},compat=0.10`,
      `cluster_size=${size},preallocation=metadata`,
    ]),
    ...[1, 2, 4, 8, 32, 64].map((bits) => `refcount_bits=${bits},cluster_size=512`),
    'lazy_refcounts=on',
    'compression_type=zstd',
  ];

  test.each(options)('qcow2 %s', async (option) => {
    writeFileSync(temp('guest.raw'), guest);
    const path = temp('theirs.qcow2');
    await qemuImg(['convert', '-f', 'raw', '-O', 'qcow2', '-o', option, temp('guest.raw'), path]);
    for (const size of [6 * MiB + 512, 100 * MiB]) {
      await resizeImage(path, size);
      truncateSync(temp('guest.raw'), size);
      expect(await qemuImg(['check', path])).toContain('No errors');
      const compared = ['compare', '-f', 'raw', '-F', 'qcow2', temp('guest.raw'), path];
      expect(await qemuImg(compared)).toBe(IDENTICAL);
    }
    await qemuIo('qcow2', path, ['write -P 5 99M 1M', 'read -P 5 99M 1M', 'read -P 0 50M 1M']);
    expect(await qemuImg(['check', path])).toContain('No errors');
  });

  test('qcow2 whose refcount table is too short', async () => {
    const path = temp('table.qcow2');
    writeFileSync(path, (await nearlyFullTable()).bytes);
    await resizeImage(path, 1024 * MiB);
    expect(await qemuImg(['check', path])).toContain('No errors');
    await qemuIo('qcow2', path, ['write -P 5 1023M 1M', 'read -P 5 1023M 1M']);
    expect(await qemuImg(['check', path])).toContain('No errors');
  });

  const images = fixtures.filter(
    ({ expect, format, guestSha256, file }) =>
      expect === 'readable' &&
      guestSha256 &&
      (format === 'qcow2' || format === 'vhd') &&
      !/damaged/.test(file),
  );

  test.each(images)('$file grows, or is left as it is', async (fixture) => {
    const path = temp('fixture');
    const before = fixtureBytes(fixture);
    writeFileSync(path, before);
    const old = fixture.virtualSize as number;
    const size = alignUp(old, 64 * KiB) + 192 * MiB;
    const outcome = await resizeImage(path, size).catch((error) => error.code);
    if (typeof outcome === 'string') {
      expect(outcome).toMatch(/^(unsupported-feature|bad-size)$/);
      expect(readFileSync(path).equals(before)).toBe(true);
      return;
    }
    if (fixture.format === 'qcow2') expect(await qemuImg(['check', path])).toContain('No errors');
    // qemu-img 7.2 goes by the geometry for creators that it does not know.
    if (!fixture.asQemuSees) {
      expect((await qemuInfo(qemuFormat(fixture.format), path))['virtual-size']).toBe(size);
    }
    await using image = await openImage(path);
    expect(image.virtualSize).toBe(size);
    expect(sha256(await readGuest(image, 0, old))).toBe(fixture.guestSha256);
    // One buffer for all: what is new to the process costs more than the reading.
    const part = new Uint8Array(4 * MiB);
    for (let offset = old; offset < size; offset += part.length) {
      const into = part.subarray(0, Math.min(part.length, size - offset)).fill(0xee);
      await image.read(into, offset);
      expect(isZero(into)).toBe(true);
    }
  });

  test('qcow2 of extended L2 entries', async () => {
    const path = temp('extended.qcow2');
    await qemuImg(['create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on', path, '8M']);
    await qemuIo('qcow2', path, ['write -P 3 1M 3k']);
    await resizeImage(path, 9000 * MiB);
    expect(await qemuImg(['check', path])).toContain('No errors');
    await qemuIo('qcow2', path, ['read -P 3 1M 2k', 'write -P 4 8999M 1M', 'read -P 0 9M 9M']);
  });

  test.each(['dynamic', 'fixed'])('VHD %s', async (subformat) => {
    writeFileSync(temp('guest.raw'), guest);
    const path = temp('theirs.vhd');
    const option = `subformat=${subformat},force_size=on`;
    await qemuImg(['convert', '-f', 'raw', '-O', 'vpc', '-o', option, temp('guest.raw'), path]);
    for (const size of [6 * MiB, 6 * MiB + 512, 200 * MiB]) {
      await resizeImage(path, size);
      truncateSync(temp('guest.raw'), size);
      const compared = ['compare', '-f', 'raw', '-F', 'vpc', temp('guest.raw'), path];
      expect(await qemuImg(compared)).toBe(IDENTICAL);
    }
  });

  test('VHD of the geometry that qemu-img rounds to', async () => {
    const path = temp('geometry.vhd');
    await qemuImg(['create', '-q', '-f', 'vpc', path, '20M']);
    const attempt = resizeImage(path, 64 * MiB);
    await expect(attempt).rejects.toMatchObject({ code: 'bad-size' });
    const next = Number(/is one: (\d+)/.exec(await attempt.catch((error) => error.hint))?.[1]);
    expect(next).toBeGreaterThan(64 * MiB);
    await resizeImage(path, next);
    expect((await qemuInfo('vpc', path))['virtual-size']).toBe(next);
  });

  test.each(growing)('$name, of ours', async (variation) => {
    const path = temp('ours');
    const { bytes } = await writeImage(variation, guest);
    writeFileSync(path, bytes);
    writeFileSync(temp('guest.raw'), guest);
    await resizeImage(path, 100 * MiB, { format: variation.format.name });
    truncateSync(temp('guest.raw'), 100 * MiB);
    const name = qemuFormat(variation.format.name);
    if (name === 'qcow2') expect(await qemuImg(['check', path])).toContain('No errors');
    const compared = ['compare', '-f', 'raw', '-F', name, temp('guest.raw'), path];
    expect(await qemuImg(compared)).toBe(IDENTICAL);
  });
});

describeWith(['vhdiinfo', 'pyvhdi'], 'grown VHDs by libvhdi', () => {
  test.each(['dynamic', 'fixed'] as const)('%s', async (subformat) => {
    const path = temp('libvhdi.vhd');
    const guest = seededGuest(5 * MiB + 1536, 32);
    const { bytes } = await writeImage({ format: writableFormatNamed('vhd'), options: { subformat } }, guest);
    writeFileSync(path, bytes);
    await resizeImage(path, 12 * MiB);
    expect(await vhdMediaSize(path)).toBe(12 * MiB);
    const grown = Buffer.alloc(12 * MiB);
    grown.set(guest);
    expect(await vhdSha256(path)).toBe(sha256(grown));
  });
});
