/**
 * Half a download. An image that is cut anywhere either still has all guest bytes (what is missing were refcounts,
 * or a copy of the footer), or it is refused with a code and a place. It never reads as something else, and a
 * conversion leaves no output behind.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert, type FormatName, ImageError, type OutputFormat, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { cutsOf } from '../support/cuts.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { describeWith, qemuImg } from '../support/native-tools.ts';
import { seededGuest, seededRandom } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { guestDigest } from './guest-digest.ts';

const temp = tempFolder();

const RANDOM_CUTS = 15;
/** Of an image with thousands of clusters, this many places where blocks begin or end. */
const MAX_BLOCK_EDGES = 15;

/** Where tables and headers begin and end, by the specifications. */
function tableEdges(bytes: Uint8Array, format: FormatName): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const number = (at: number, little = false): number => Number(view.getBigUint64(at, little));
  const size = bytes.length;
  switch (format) {
    case 'qcow2': {
      const clusterSize = 2 ** view.getUint32(20);
      const [l1, refcounts, snapshots] = [number(40), number(48), number(64)];
      const l1Size = view.getUint32(36);
      const l2Tables = Array.from({ length: l1Size }, (_, index) => number(l1 + index * 8) % 2 ** 56);
      const tables = [l1, refcounts, snapshots, ...l2Tables].filter((offset) => offset > 0);
      const ends = [l1 + l1Size * 8, ...tables.map((offset) => offset + clusterSize)];
      return [4, 72, 104, 112, clusterSize, ...tables, ...ends];
    }
    case 'vhd':
      return [8, 512, 1536, 1536 + 4, 2048, size - 512, size - 511, size - 8];
    case 'vhdx':
      return [
        4,
        64 * KiB,
        68 * KiB,
        128 * KiB,
        192 * KiB,
        320 * KiB,
        MiB,
        2 * MiB,
        3 * MiB,
        3 * MiB + 64 * KiB,
      ];
    case 'vdi':
      return [4, 68, 400, 512, 512 + 4, 1024, view.getUint32(344, true)];
    case 'vmdk':
      return [
        4,
        512,
        512 + 20,
        21 * 512,
        21 * 512 + 4,
        65536,
        65536 + 12,
        size - 1536,
        size - 1024,
        size - 512,
      ];
    case 'zvhd':
      return [6, 512, 4096, 4096 + 48, size - 4096, size - 4096 + 512];
    case 'zvhd2': {
      const final = size - 4096;
      const [index, bitmap] = [number(final + 96, true), number(final + 104, true)];
      return [6, 512, 4096, 4096 + 48, index - 4096, index, bitmap, final, final + 512];
    }
    default:
      return [];
  }
}

async function blockEdges(bytes: Uint8Array, format: FormatName): Promise<number[]> {
  await using image = await openImage(bytes, { format });
  const edges = new Set<number>();
  for await (const extent of image.extents()) {
    if (extent.kind === 'data') edges.add(extent.fileOffset).add(extent.fileOffset + extent.length);
    if (extent.kind === 'packed') edges.add(extent.fileOffset).add(extent.fileOffset + extent.storedLength);
  }
  const step = Math.max(1, Math.floor(edges.size / MAX_BLOCK_EDGES));
  return [...edges].filter((_, i) => i % step === 0 || i >= edges.size - 2);
}

/** Lengths to which the image is cut, all shorter than it. */
async function cutsFor(bytes: Uint8Array, format: FormatName): Promise<number[]> {
  const random = seededRandom(bytes.length);
  const edges = [...tableEdges(bytes, format), ...(await blockEdges(bytes, format))];
  return cutsOf(bytes.length, edges, RANDOM_CUTS, random);
}

/** `same`, or the error's code; whatever else happens fails. */
async function outcomeOf(whole: string, attempt: () => Promise<string>): Promise<string> {
  let digest: string;
  try {
    digest = await attempt();
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    if (error.fileOffset === undefined && error.code !== 'unknown-format') throw error;
    return error.code;
  }
  return digest === whole ? 'same' : 'OTHER BYTES, AND NO ERROR';
}

const ALLOWED = [
  'same',
  'truncated',
  'wrong-format',
  'unknown-format',
  'bad-header',
  'bad-checksum',
  'bad-table',
  'bad-reference',
  'bad-data',
];

/** Cuts an image everywhere, and reads and converts what is left. */
async function requireNoSilence(name: string, bytes: Uint8Array, format: FormatName): Promise<void> {
  const whole = await openImage(bytes, { format }).then(async (image) => {
    await using opened = image;
    return await guestDigest(opened);
  });
  const folder = temp(`${name.replaceAll('/', '-')}-output`);
  mkdirSync(folder);
  for (const cut of await cutsFor(bytes, format)) {
    const left = () => memorySource(bytes.subarray(0, cut), `half.${format}`);
    const read = await outcomeOf(whole, async () => {
      await using image = await openImage(left(), { format });
      return await guestDigest(image);
    });
    const probed = await outcomeOf(whole, async () => {
      await using image = await openImage(left());
      return await guestDigest(image);
    });
    const raw = `${folder}/half.raw`;
    const converted = await outcomeOf(whole, async () => {
      await convert(left(), raw, { format: 'raw', input: { format } });
      await using image = await openImage(raw);
      return await guestDigest(image);
    });
    expect(ALLOWED, `${name} cut to ${cut}`).toContain(read);
    // A conversion reads in other steps, and may meet another gap first.
    expect(ALLOWED, `${name} cut to ${cut}, converted`).toContain(converted);
    expect(converted === 'same', `${name} cut to ${cut}, converted: ${converted}`).toBe(read === 'same');
    expect([read, 'unknown-format'], `${name} cut to ${cut}, probed`).toContain(probed);
    expect(readdirSync(folder), `${name} cut to ${cut}`).toEqual(read === 'same' ? ['half.raw'] : []);
    if (read === 'same') rmSync(raw);
  }
}

describe('fixtures', () => {
  test.each([
    'qcow2/v3',
    'qcow2/v2',
    'qcow2/cluster-512',
    'qcow2/zlib',
    'qcow2/zstd',
    'qcow2/zlib-cluster-4k',
    'qcow2/mixed-cluster-4k',
    'qcow2/extended-l2-cluster-16k',
    'qcow2/snapshots',
    'vhd/dynamic',
    'vhd/sparse-blocks',
    'vhd/fixed-force-size',
    'vhdx/dynamic',
    'vhdx/fixed',
    'vhdx/any-order',
    'vdi/dynamic',
    'vdi/static',
    'vdi/any-order',
    'vmdk/sparse',
    'vmdk/stream',
    'zvhd/small',
    'zvhd/empty',
    'zvhd/dense',
    'zvhd2/small.zlib',
    'zvhd2/small.zstd',
    'zvhd2/empty.zstd',
    'zvhd2/last-block.zlib',
  ])('%s', async (name) => {
    const fixture = fixtureNamed(name);
    await requireNoSilence(name, fixtureBytes(fixture), fixture.format);
  });
});

/** Nine blocks of 2 MiB, of which some are zero. */
const guest = () => {
  const bytes = seededGuest(17 * MiB + 512, 21);
  bytes.fill(0, 4 * MiB, 8 * MiB);
  return bytes;
};

describe('written by diskimg', () => {
  const outputs: readonly (readonly [name: string, output: OutputFormat])[] = [
    ['qcow2', { format: 'qcow2' }],
    ['qcow2 zlib', { format: 'qcow2', options: { compress: true } }],
    [
      'qcow2 zstd 4k',
      { format: 'qcow2', options: { compress: true, compressionType: 'zstd', clusterSize: 4096 } },
    ],
    ['vhd', { format: 'vhd' }],
    ['vhdx', { format: 'vhdx' }],
    ['vdi', { format: 'vdi' }],
    ['vmdk', { format: 'vmdk' }],
    ['vmdk streamOptimized', { format: 'vmdk', options: { compress: true } }],
    ['zvhd', { format: 'zvhd' }],
    ['zvhd2', { format: 'zvhd2' }],
    ['zvhd2 zlib', { format: 'zvhd2', options: { compressionType: 'zlib' } }],
  ];
  test.each(outputs)('%s', async (name, output) => {
    const path = temp(`ours-${name}`);
    await convert(guest(), path, { ...output, input: { format: 'raw' } });
    await requireNoSilence(name, readFileSync(path), output.format);
  });
});

describeWith(['qemu-img'], 'written by qemu-img', () => {
  beforeAll(() => writeFileSync(temp('guest.raw'), guest()));

  test.each([
    ['qcow2', 'qcow2', ['-O', 'qcow2']],
    ['qcow2 -c', 'qcow2', ['-c', '-O', 'qcow2']],
    ['vpc', 'vhd', ['-O', 'vpc', '-o', 'force_size=on']],
  ] as const)('%s', async (name, format, args) => {
    const path = temp(`theirs-${name}`);
    await qemuImg(['convert', '-f', 'raw', ...args, temp('guest.raw'), path]);
    await requireNoSilence(`theirs ${name}`, readFileSync(path), format);
  });
});

describe('on worker threads', () => {
  test.each([
    ['qcow2', { format: 'qcow2', options: { compress: true } }],
    ['zvhd', { format: 'zvhd' }],
    ['zvhd2', { format: 'zvhd2' }],
    ['vhd', { format: 'vhd' }],
  ] as const)('%s, cut in its last third', async (name, output) => {
    const path = temp(`threads.${name}`);
    await convert(seededGuest(30 * MiB, 22), path, { ...output, input: { format: 'raw' } });
    const bytes = readFileSync(path);
    const cut = temp(`cut.${name}`);
    writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * 0.8)));
    const folder = temp(`threads-${name}`);
    mkdirSync(folder);
    for (const format of ['raw', 'qcow2', 'zvhd2'] as const) {
      const attempt = convert(cut, `${folder}/out`, { format, threads: 2 });
      await expect(attempt).rejects.toMatchObject({ code: 'truncated', fileOffset: expect.any(Number) });
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});
