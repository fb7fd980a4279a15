/** What diskimg writes, read by others: qemu-img checks and compares it, libvhdi and libvmdk read it back. */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert, formats, type OutputFormat, openImage } from '../../src/index.ts';
import {
  describeWith,
  qemuFormat,
  qemuImg,
  qemuInfo,
  vhdMediaSize,
  vhdSha256,
  vmdkSha256,
} from '../support/native-tools.ts';
import { fillRandom, seededGuest, seededRandom, seededText, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const temp = tempFolder();

const CLUSTER_SIZES = [512, 4 * KiB, 64 * KiB, 2 * MiB];

interface Guest {
  readonly name: string;
  readonly size: number;
  readonly path: string;
}

const made = new Map<string, Guest>();

/** Writes a guest once. */
function guestFile(name: string, bytes: () => Buffer): Guest {
  const known = made.get(name);
  if (known) return known;
  const path = temp(`${name}.raw`);
  const content = bytes();
  writeFileSync(path, content);
  const guest = { name, size: content.length, path };
  made.set(name, guest);
  return guest;
}

/** Guests that are no multiple of anything, for a writer with blocks of `unit` bytes. */
function guestsFor(unit: number): Guest[] {
  return [
    guestFile('one sector', () => seededGuest(512, 1)),
    guestFile('5 MiB + 1536', () => seededGuest(5 * MiB + 1536, 3)),
    guestFile('no data', () => Buffer.alloc(MiB + 512)),
    guestFile(`3 blocks of ${unit} - 512`, () => seededGuest(3 * unit - 512, 4, unit)),
    guestFile(`last partial block of ${unit} only`, () => {
      const bytes = Buffer.alloc(4 * unit + Math.max(512, unit / 2));
      fillRandom(bytes.subarray(4 * unit), seededRandom(5));
      return bytes;
    }),
  ];
}

interface Variant {
  readonly name: string;
  readonly output: OutputFormat;
  readonly unit: number;
}

const qcow2Variants: Variant[] = CLUSTER_SIZES.flatMap((clusterSize) =>
  (
    [
      { compat: '0.10' },
      { compat: '1.1' },
      { compat: '0.10', compress: true, compressionType: 'zlib' },
      { compat: '1.1', compress: true, compressionType: 'zlib' },
      { compat: '1.1', compress: true, compressionType: 'zstd' },
    ] as const
  ).map((options) => ({
    name: `qcow2 ${JSON.stringify({ clusterSize, ...options })}`,
    output: { format: 'qcow2', options: { clusterSize, ...options } },
    unit: clusterSize,
  })),
);

const vhdVariants: Variant[] = (['dynamic', 'fixed'] as const).map((subformat) => ({
  name: `vhd ${subformat}`,
  output: { format: 'vhd', options: { subformat } },
  unit: 2 * MiB,
}));

/** Sizes that are products of no geometry, or that readers have been seen to round. */
const VHD_SIZES = [512, 20 * MiB, 127 * MiB + 512, 4162 * 16 * 63 * 512 - 992 * 512];

async function write(guest: Guest, output: OutputFormat, rest: object = {}): Promise<string> {
  const path = temp(`out${made.size}-${sequence++}${suffixOf(output)}`);
  await convert(guest.path, path, { ...output, ...rest, input: { format: 'raw' } } as ConvertOptions);
  return path;
}
let sequence = 0;

const suffixOf = ({ format }: OutputFormat): string =>
  formats.find(({ name }) => name === format)?.suffixes[0] ?? '';

/** qemu-img finds the same guest bytes, and the same size: it would have a warning before these words. */
async function requireSame(guest: Guest, format: string, path: string): Promise<void> {
  const compare = ['compare', '-f', 'raw', '-F', qemuFormat(format), guest.path, path];
  expect(await qemuImg(compare)).toBe('Images are identical.\n');
}

describeWith(['qemu-img'], 'qemu-img reads the qcow2 that diskimg writes', () => {
  for (const { name, output, unit } of qcow2Variants) {
    test.each(guestsFor(unit))(`${name}, $name`, async (guest) => {
      const path = await write(guest, output);
      const check = JSON.parse(await qemuImg(['check', '-f', 'qcow2', '--output=json', path]));
      expect(check).toMatchObject({ 'check-errors': 0, 'image-end-offset': statSync(path).size });
      expect(check).not.toHaveProperty('leaks');
      expect(check).not.toHaveProperty('corruptions');
      await requireSame(guest, 'qcow2', path);
    });
  }

  test.each([1, 2])('40 MiB on %i threads', async (threads) => {
    const guest = guestFile('40 MiB', () => seededGuest(40 * MiB + 512, 6));
    for (const options of [{}, { compress: true }]) {
      const path = await write(guest, { format: 'qcow2', options }, { threads });
      await qemuImg(['check', '-q', '-f', 'qcow2', path]);
      await requireSame(guest, 'qcow2', path);
    }
  });
});

describeWith(
  ['qemu-img', 'vhdiinfo', 'pyvhdi'],
  'qemu-img and libvhdi read the VHD that diskimg writes',
  () => {
    for (const { name, output, unit } of vhdVariants) {
      test.each(guestsFor(unit))(`${name}, $name`, async (guest) => {
        const path = await write(guest, output);
        await requireSame(guest, 'vhd', path);
        expect(await vhdMediaSize(path)).toBe(guest.size);
        expect(await vhdSha256(path)).toBe(sha256(readFileSync(guest.path)));
      });

      test.each(VHD_SIZES)(`${name}, a size of %i bytes stays exact`, async (size) => {
        const guest = guestFile('1 MiB + 512', () => seededGuest(MiB + 512, 2));
        const small = guestFile('one sector', () => seededGuest(512, 1));
        const path = await write(size < guest.size ? small : guest, output, { size });
        expect((await qemuInfo('vpc', path))['virtual-size']).toBe(size);
        expect(await vhdMediaSize(path)).toBe(size);
      });
    }
  },
);

describeWith(['qemu-img'], 'qemu-img reads the VDI that diskimg writes', () => {
  for (const subformat of ['dynamic', 'static'] as const) {
    test.each(guestsFor(MiB))(`vdi ${subformat}, $name`, async (guest) => {
      const path = await write(guest, { format: 'vdi', options: { subformat } });
      await qemuImg(['check', '-q', '-f', 'vdi', path]);
      await requireSame(guest, 'vdi', path);
    });
  }
});

describeWith(['qemu-img', 'pyvmdk'], 'qemu-img and libvmdk read the VMDK that diskimg writes', () => {
  for (const subformat of ['monolithicSparse', 'streamOptimized'] as const) {
    test.each(guestsFor(64 * KiB))(`vmdk ${subformat}, $name`, async (guest) => {
      const path = await write(guest, { format: 'vmdk', options: { subformat, adapterType: 'lsilogic' } });
      await qemuImg(['check', '-q', '-f', 'vmdk', path]);
      await requireSame(guest, 'vmdk', path);
      expect(await vmdkSha256(path)).toBe(sha256(readFileSync(guest.path)));
    });
  }
});

describeWith(['qemu-img'], 'qemu-img finds nothing lost on the way through the vendor formats', () => {
  const variants: Variant[] = [
    { name: 'zvhd', output: { format: 'zvhd' }, unit: 2 * MiB },
    { name: 'zvhd2 zstd', output: { format: 'zvhd2', options: { compressionType: 'zstd' } }, unit: 2 * MiB },
    { name: 'zvhd2 zlib', output: { format: 'zvhd2', options: { compressionType: 'zlib' } }, unit: 2 * MiB },
    { name: 'raw', output: { format: 'raw' }, unit: 64 * KiB },
  ];
  for (const { name, output, unit } of variants) {
    test.each(guestsFor(unit))(`raw to ${name} to raw, $name`, async (guest) => {
      const path = await write(guest, output);
      const back = `${path}.back.raw`;
      const size = output.format === 'raw' ? guest.size : 'original';
      await convert(path, back, { format: 'raw', size });
      expect(sha256(readFileSync(back))).toBe(sha256(readFileSync(guest.path)));
      await requireSame(guest, 'raw', back);
    });
  }
});

/**
 * Bytes left empty before clusters that are stored as they are: those begin on a cluster, and what is compressed
 * after them does not go back to fill the gap, as qemu-img does.
 */
async function gapBytes(path: string): Promise<number> {
  await using image = await openImage(path);
  let gaps = 0;
  let end = image.unit;
  for await (const extent of image.extents()) {
    if (extent.kind === 'zero') continue;
    if (extent.kind === 'data') gaps += Math.max(0, extent.fileOffset - end);
    end = extent.fileOffset + (extent.kind === 'data' ? extent.length : extent.storedLength);
  }
  return gaps;
}

describeWith(
  ['qemu-img'],
  'compressed qcow2 is at most 2 % larger than qemu-img makes it, gaps aside',
  () => {
    /** All of it compresses; and with noise in it, of which clusters are stored as they are. */
    const guests = () => [
      guestFile('6 MiB of text', () => seededText(6 * MiB, 8)),
      guestFile('6 MiB with noise', () => seededGuest(6 * MiB, 7)),
    ];

    for (const clusterSize of CLUSTER_SIZES) {
      for (const compressionType of ['zlib', 'zstd'] as const) {
        test.each(guests())(`clusters of ${clusterSize}, ${compressionType}, $name`, async (guest) => {
          const ours = await write(guest, {
            format: 'qcow2',
            options: { compress: true, compressionType, clusterSize },
          });
          const theirs = temp(`theirs-${clusterSize}-${compressionType}-${guest.name}.qcow2`);
          const options = `cluster_size=${clusterSize},compression_type=${compressionType}`;
          await qemuImg(['convert', '-f', 'raw', '-O', 'qcow2', '-c', '-o', options, guest.path, theirs]);
          // Ours is a whole number of clusters; qemu-img's may end anywhere in its last one.
          const size = statSync(ours).size - (await gapBytes(ours)) - clusterSize;
          expect(size).toBeLessThanOrEqual(statSync(theirs).size * 1.02);
        });
      }
    }
  },
);
