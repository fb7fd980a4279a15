/** What qemu-img writes, read by diskimg: the same guest bytes, whatever the options. */

import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert, openImage } from '../../src/index.ts';
import { describeWith, qemuImg, qemuIo } from '../support/native-tools.ts';
import { seededGuest, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

/** Multiples of 512 and of nothing else: qemu-img would round others. */
const GUESTS = {
  '5 MiB + 1536': seededGuest(5 * MiB + 1536, 12),
  'last sector only': Buffer.concat([Buffer.alloc(4 * MiB), seededGuest(512, 13)]),
} as const;

type GuestName = keyof typeof GUESTS;
const guestNames = Object.keys(GUESTS) as GuestName[];
const guestPath = (name: GuestName): string => temp(`${name}.raw`);

beforeAll(() => {
  for (const name of guestNames) writeFileSync(guestPath(name), GUESTS[name]);
});

let sequence = 0;

/** qemu-img's image of a guest. */
async function makeImage(name: GuestName, args: readonly string[], suffix: string): Promise<string> {
  const path = temp(`theirs-${sequence++}${suffix}`);
  await qemuImg(['convert', '-f', 'raw', ...args, guestPath(name), path]);
  return path;
}

/** What diskimg makes of it. */
async function readBack(path: string): Promise<Buffer> {
  const raw = `${path}.ours.raw`;
  await convert(path, raw, { format: 'raw' });
  return readFileSync(raw);
}

/** Options of `-O qcow2`; `-c` compresses. */
const variants: string[] = ['512', '4k', '64k', '2M'].flatMap((size) =>
  [
    '',
    'compat=0.10',
    '-c compression_type=zlib',
    '-c compression_type=zlib,compat=0.10',
    '-c compression_type=zstd',
    'preallocation=metadata',
    'preallocation=full',
    'lazy_refcounts=on',
    'refcount_bits=1',
    'refcount_bits=64',
  ].map((options) => `${options},cluster_size=${size}`),
);
variants.push(
  ...[1, 2, 4, 8, 32, 64].map((bits) => `-c refcount_bits=${bits},cluster_size=64k`),
  ...['16k', '64k', '2M'].flatMap((size) => [
    `extended_l2=on,cluster_size=${size}`,
    `-c extended_l2=on,cluster_size=${size}`,
    `extended_l2=on,preallocation=metadata,cluster_size=${size}`,
  ]),
  'preallocation=off',
  'preallocation=falloc',
);

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads the qcow2 that qemu-img writes', () => {
  describe.each(variants)('%s', (variant) => {
    test.each(guestNames)('%s', async (name) => {
      const compress = variant.startsWith('-c ') ? ['-c'] : [];
      const options = variant.replace('-c ', '').replace(/^,/, '');
      const path = await makeImage(name, [...compress, '-O', 'qcow2', '-o', options], '.qcow2');
      expect(sha256(await readBack(path))).toBe(sha256(GUESTS[name]));
    });
  });

  test.each(['64k', '4k', '512'])('clusters of %s written, zeroed and discarded in place', async (size) => {
    const path = await makeImage(
      '5 MiB + 1536',
      ['-c', '-O', 'qcow2', '-o', `cluster_size=${size}`],
      '.qcow2',
    );
    await qemuIo('qcow2', path, [
      'write -P 0x11 3k 130k',
      'write -z 512k 70k',
      'write -z -u 700k 64k',
      'discard 1M 256k',
      'write -c -P 0x22 2M 64k',
      'write -P 0x33 5243392 1024',
    ]);
    const raw = temp(`inplace-${size}.raw`);
    await qemuImg(['convert', '-f', 'qcow2', '-O', 'raw', path, raw]);
    expect(sha256(await readBack(path))).toBe(sha256(readFileSync(raw)));
  });

  test('compressed out of order by several coroutines', async () => {
    const bytes = seededGuest(24 * MiB + 512, 14);
    writeFileSync(temp('large.raw'), bytes);
    const path = temp('large.qcow2');
    await qemuImg(['convert', '-W', '-m', '16', '-c', '-f', 'raw', '-O', 'qcow2', temp('large.raw'), path]);
    expect(sha256(await readBack(path))).toBe(sha256(bytes));
  });
});

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads the VDI that qemu-img writes', () => {
  describe.each(['static=off', 'static=on'])('%s', (options) => {
    test.each(guestNames)('%s', async (name) => {
      const path = await makeImage(name, ['-O', 'vdi', '-o', options], '.vdi');
      expect(sha256(await readBack(path))).toBe(sha256(GUESTS[name]));
    });
  });

  test('written, zeroed and discarded in place', async () => {
    const path = await makeImage('5 MiB + 1536', ['-O', 'vdi'], '.vdi');
    await qemuIo('vdi', path, [
      'write -P 0x11 3k 1300k',
      'write -z 2M 1M',
      'discard 3M 1M',
      'write -P 2 4M 4k',
    ]);
    const raw = temp('inplace-vdi.raw');
    await qemuImg(['convert', '-f', 'vdi', '-O', 'raw', path, raw]);
    expect(sha256(await readBack(path))).toBe(sha256(readFileSync(raw)));
  });
});

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads the VMDK that qemu-img writes', () => {
  describe.each(['monolithicSparse', 'streamOptimized'])('%s', (subformat) => {
    test.each(guestNames)('%s', async (name) => {
      const path = await makeImage(name, ['-O', 'vmdk', '-o', `subformat=${subformat}`], '.vmdk');
      expect(sha256(await readBack(path))).toBe(sha256(GUESTS[name]));
    });
  });

  test.each(['zeroed_grain=off', 'zeroed_grain=on'])('written and zeroed in place, %s', async (options) => {
    const path = await makeImage('5 MiB + 1536', ['-O', 'vmdk', '-o', options], '.vmdk');
    await qemuIo('vmdk', path, ['write -P 0x11 3k 1300k', 'write -z 2M 1M', 'write -P 2 4M 4k']);
    const raw = temp(`inplace-vmdk-${options}.raw`);
    await qemuImg(['convert', '-f', 'vmdk', '-O', 'raw', path, raw]);
    expect(sha256(await readBack(path))).toBe(sha256(readFileSync(raw)));
  });
});

const vpcVariants = [
  'subformat=dynamic',
  'subformat=fixed',
  'subformat=dynamic,force_size=on',
  'subformat=fixed,force_size=on',
];

describeWith(['qemu-img', 'qemu-io'], 'diskimg reads the VHD that qemu-img writes', () => {
  describe.each(vpcVariants)('%s', (options) => {
    test.each(guestNames)('%s', async (name) => {
      const path = await makeImage(name, ['-O', 'vpc', '-o', options], '.vhd');
      const ours = await readBack(path);
      const guest = GUESTS[name];
      const grown = temp(`grown-${sequence++}.raw`);
      await qemuImg(['convert', '-f', 'vpc', '-O', 'raw', path, grown]);
      expect(sha256(ours)).toBe(sha256(readFileSync(grown)));
      // Without force_size qemu-img rounds the size up to a product of the geometry.
      if (options.includes('force_size')) expect(ours.length).toBe(guest.length);
      expect(ours.subarray(0, guest.length).equals(guest)).toBe(true);
      expect(ours.subarray(guest.length).every((byte) => byte === 0)).toBe(true);
    });
  });

  test('blocks in any order', async () => {
    const path = temp('order.vhd');
    await qemuImg(['create', '-q', '-f', 'vpc', '-o', 'force_size=on', path, '13M']);
    await qemuIo('vpc', path, ['write -P 1 9M 4k', 'write -P 2 1023k 2k', 'write -P 3 13308k 4k']);
    const expected = Buffer.alloc(13 * MiB);
    expected.fill(1, 9 * MiB, 9 * MiB + 4 * KiB);
    expected.fill(2, 1023 * KiB, 1025 * KiB);
    expected.fill(3, 13308 * KiB);
    expect(sha256(await readBack(path))).toBe(sha256(expected));
  });
});

describeWith(['qemu-img'], 'diskimg copies an image without qemu-img noticing', () => {
  test.each(['qcow2', 'vhd', 'raw'] as const)(
    '%s made by qemu-img to each format and back',
    async (format) => {
      const theirs = format === 'vhd' ? 'vpc' : format;
      const options = format === 'vhd' ? ['-o', 'force_size=on'] : [];
      const path = await makeImage('5 MiB + 1536', ['-O', theirs, ...options], `.${format}`);
      for (const output of ['qcow2', 'vhd', 'zvhd', 'zvhd2'] as const) {
        const copy = `${path}.copy.${output}`;
        await convert(path, copy, { format: output });
        await using image = await openImage(copy);
        const size = image.details.originalSize ?? image.virtualSize;
        const guest = Buffer.alloc(size);
        await image.read(guest, 0);
        expect(sha256(guest)).toBe(sha256(GUESTS['5 MiB + 1536']));
      }
    },
  );
});
