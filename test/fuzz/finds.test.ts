/** What fuzzing found, made again by hand as small as it gets, and what is right. */

import { Buffer } from 'node:buffer';
import { beforeAll, expect, test } from 'vitest';
import { checkImage, type FormatName, imageInfo, openImage } from '../../src/index.ts';
import { sealBigEndian, sealLittleEndian } from '../formats/poke.ts';
import { anatomyOf } from '../support/anatomy.ts';
import { loadCorpus, type Specimen } from './corpus.ts';
import { examine } from './examine.ts';
import { randomOf } from './random.ts';

interface FoundCase {
  /** What the input did. */
  readonly name: string;
  readonly specimen: string;
  readonly change: (bytes: Buffer) => Buffer;
  readonly verify: (bytes: Buffer, format: FormatName) => Promise<void>;
}

const poked =
  (...pokes: readonly ((bytes: Buffer) => unknown)[]) =>
  (bytes: Buffer): Buffer => {
    for (const poke of pokes) poke(bytes);
    return bytes;
  };
const cutTo = (size: number) => (bytes: Buffer) => bytes.subarray(0, size);

const l1TableOffset = (bytes: Buffer): number => Number(bytes.readBigUInt64BE(40));

/** Finds it. */
const checkFinds =
  (code: string, severity = 'corruption') =>
  async (bytes: Buffer, format: FormatName): Promise<void> => {
    const { findings } = await checkImage(bytes, { format, data: true });
    expect(findings).toContainEqual(expect.objectContaining({ code, severity }));
  };

const cases: readonly FoundCase[] = [
  {
    name: 'a compressed cluster behind the end of the file, in its last cluster, made check throw a RangeError',
    specimen: 'qcow2/debian-disk.qcow2',
    change: cutTo(482_518),
    verify: checkFinds('past-end'),
  },
  {
    name: 'an L2 table that the end of the file cuts off was found by readers only',
    specimen: 'qcow2/huge.qcow2',
    change: cutTo(627_230),
    verify: checkFinds('past-end'),
  },
  {
    name: 'bitmaps that are not marked as up to date, past the end, kept the disk from being read',
    specimen: 'qcow2/bitmap.qcow2',
    change: poked(
      (bytes) => bytes.writeUInt8(0, 95), // autoclear features
      (bytes) => {
        const { records } = anatomyOf(bytes, 'qcow2');
        const at = records.find(({ what }) => what === 'bitmaps extension')?.at ?? 0;
        bytes.writeBigUInt64BE(2n ** 40n, at + 16);
      },
    ),
    verify: async (bytes, format) => {
      await using image = await openImage(bytes, { format });
      expect(imageInfo(image)['format-specific'].data).toMatchObject({ 'bitmaps-valid': false });
      await image.read(new Uint8Array(1024), 0);
    },
  },
  {
    name: 'an L1 entry of 2^53 gave an error at byte 2^53',
    specimen: 'qcow2/resized.qcow2',
    change: poked((bytes) => bytes.writeBigUInt64BE(2n ** 53n, l1TableOffset(bytes))),
    verify: async (bytes, format) => {
      await using image = await openImage(bytes, { format });
      const place = { code: 'truncated', fileOffset: l1TableOffset(bytes), guestOffset: 0 };
      await expect(image.read(new Uint8Array(512), 0)).rejects.toMatchObject(place);
    },
  },
  {
    name: 'a snapshot of a disk of 2^64 - 1 bytes was found by readers only',
    specimen: 'qcow2/snapshots-resized.qcow2',
    change: poked((bytes) => {
      const table = Number(bytes.readBigUInt64BE(64));
      bytes.fill(0xff, table + 48, table + 56);
    }),
    verify: checkFinds('bad-table'),
  },
  {
    name: 'partitions from sector 2^62 on were told at offsets that no number can hold',
    specimen: 'by hand: raw with a GPT',
    change: poked((bytes) => {
      for (const entry of [1024, 1024 + 128]) {
        for (const field of [32, 40]) bytes.writeBigUInt64LE(2n ** 62n, entry + field);
      }
    }),
    verify: async (bytes, format) => {
      const { findings } = await checkImage(bytes, { format });
      expect(findings).toContainEqual(expect.objectContaining({ code: 'partition-past-end' }));
      for (const { guestOffset = 0 } of findings) expect(guestOffset).toSatisfy(Number.isSafeInteger);
    },
  },
  {
    name: 'a current size of 2^50 made a reader tell half a billion blocks of zeros one by one',
    specimen: 'zvhd2/small.zstd.zvhd2',
    change: poked((bytes) => {
      const final = bytes.subarray(-4096, -4096 + 512);
      final.writeBigUInt64LE(2n ** 50n, 48);
      sealLittleEndian(final, 64);
    }),
    verify: async (bytes, format) => {
      await using image = await openImage(bytes, { format, maxVirtualSize: Number.MAX_SAFE_INTEGER });
      let end = 0;
      let count = 0;
      for await (const { guestOffset, length } of image.extents()) {
        end = guestOffset + length;
        count += 1;
      }
      expect(end).toBe(2 ** 50);
      expect(count).toBeLessThan(10);
    },
  },
  {
    name: 'a first footer of 2^24 blocks kept a reader that salvages busy with zeros, one block at a time',
    specimen: 'zvhd2/small.zstd.zvhd2',
    change: poked((bytes) => {
      const first = bytes.subarray(0, 512);
      first.writeBigUInt64LE(2n ** 45n, 48);
      first.writeUInt32LE(2 ** 24, 92);
      sealLittleEndian(first, 64);
      bytes.fill(0, bytes.length - 4096);
    }),
    verify: async (bytes, format) => {
      await using image = await openImage(bytes, { format, salvage: true });
      const { user } = process.cpuUsage();
      let end = 0;
      for await (const { guestOffset, length } of image.extents()) end = guestOffset + length;
      expect(end).toBe(2 ** 45);
      expect(process.cpuUsage().user - user).toBeLessThan(500_000);
    },
  },
  {
    name: 'a VHD whose table is all of the file had all its bytes sorted as blocks',
    specimen: 'vhd/sparse-blocks.vhd',
    change: poked((bytes) => {
      const header = bytes.subarray(512, 1536);
      header.writeUInt32BE(0xfffff007, 28);
      sealBigEndian(header, 36);
    }),
    verify: checkFinds('truncated'),
  },
];

let corpus: readonly Specimen[];
beforeAll(async () => {
  corpus = await loadCorpus();
});

test.each(cases)('$name', async ({ specimen, change, verify }) => {
  const found = corpus.find(({ name }) => name === specimen);
  if (found === undefined) throw new Error(`there is no image ${specimen}`);
  const bytes = change(Buffer.from(found.bytes));
  await verify(bytes, found.format);
  for (let seed = 0; seed < 4; seed++) {
    const { finds } = await examine(bytes, found.format, found.companion, randomOf(seed));
    expect(finds).toEqual([]);
  }
});
