/** The sound images that cases begin with: fixtures of other tools, images of our own writers, and some made by hand. */

import { Buffer } from 'node:buffer';
import { KiB, MiB } from '../../src/binary/align.ts';
import { crc32 } from '../../src/binary/crc32.ts';
import type { FormatName } from '../../src/formats/index.ts';
import { gptHeader } from '../../src/image/partition-table/gpt.ts';
import { variations } from '../contracts/variations.ts';
import { type Anatomy, anatomyOf } from '../support/anatomy.ts';
import { fixtureBytes, fixtures } from '../support/fixtures.ts';
import { writeImage } from '../support/memory-images.ts';
import { seededGuest } from '../support/seeded-guest.ts';
import { smallDifferencingVhd, smallDynamicVhd } from '../support/small-vhd.ts';
import { smallDifferencingVhdx, smallDirtyVhdx } from '../support/small-vhdx.ts';

export interface Specimen {
  readonly name: string;
  readonly format: FormatName;
  readonly bytes: Uint8Array;
  readonly anatomy: Anatomy;
  /** What the file that it names holds, when it names one. */
  readonly companion?: Uint8Array;
}

/** Images are copied once and repaired after each case, so that size costs only memory. */
const MAX_SIZE = 6.5 * MiB;
/** They differ from others in fields that cases change anyway. */
const ALIKE =
  /creator-(qemu|win|tap|wa|unknown|vpc-)|damaged-|fixed-whole|refcount-8|-falloc|unknown-incompatible|dynamic-force|refcount-1|zlib-v2|snapshots-v2|mixed\.|v3\.|partial-last|dense.zlib|odd-size.zlib|last-block.zlib|backing-protocol/;

/** All images, or those of one format. In the same order every time. */
export async function loadCorpus(format?: FormatName): Promise<readonly Specimen[]> {
  const all = [...fromFixtures(), ...(await written()), ...vhdsByHand(), ...vhdxByHand(), gptDisk()];
  return all.filter((specimen) => format === undefined || specimen.format === format);
}

function specimen(name: string, format: FormatName, image: Uint8Array, companion?: Uint8Array): Specimen {
  const bytes = new Uint8Array(image); // no Buffer, of which a slice is no copy
  return { name, format, bytes, anatomy: anatomyOf(bytes, format), ...(companion && { companion }) };
}

function* fromFixtures(): Generator<Specimen> {
  for (const fixture of fixtures) {
    const { file, format, features, imageSize, companions } = fixture;
    if (imageSize > MAX_SIZE || features.includes('truncated') || ALIKE.test(file)) continue;
    const companion = companions?.[0];
    const bytes = fixtureBytes(fixture);
    yield specimen(file.replace(/\.gz$/, ''), format, bytes, companion && fixtureBytes(companion));
  }
}

/** Two blocks of 2 MiB with a little in each would be long to decode again and again: small disks it is. */
async function written(): Promise<Specimen[]> {
  const specimens: Specimen[] = [];
  for (const [index, variation] of variations.entries()) {
    const { name, format, options } = variation;
    if (options.clusterSize === 2 * MiB) continue;
    const size = options.clusterSize === 512 ? 40 * KiB : 300 * KiB + 512;
    const { bytes } = await writeImage(variation, seededGuest(size, index, 20_000));
    specimens.push(specimen(`ours: ${name}`, format.name, bytes));
  }
  return specimens;
}

/** Blocks as small as VHD allows, so that a table of many entries stands in a file of few bytes. */
function vhdsByHand(): Specimen[] {
  const dynamic = (blockSize: number, blocks: number) =>
    specimen(`by hand: vhd, blocks of ${blockSize} bytes`, 'vhd', smallDynamicVhd(blockSize, blocks));
  const { image, parent } = smallDifferencingVhd(4096, 16);
  return [
    dynamic(512, 32),
    dynamic(4096, 20),
    specimen('by hand: differencing vhd, blocks of 4 KiB', 'vhd', image, parent),
  ];
}

/** One with its table in the log only, and one over a parent. */
function vhdxByHand(): Specimen[] {
  const { image, parent } = smallDifferencingVhdx();
  return [
    specimen('by hand: vhdx with a log', 'vhdx', smallDirtyVhdx()),
    specimen('by hand: differencing vhdx', 'vhdx', image, parent),
  ];
}

/** A raw disk with two partitions in a GPT, and its backup. */
function gptDisk(): Specimen {
  const sectors = 256;
  const bytes = Buffer.alloc(sectors * 512);
  bytes.set(seededGuest(64 * KiB, 3, 4000), 34 * 512);
  bytes.writeUInt8(0xee, 446 + 4);
  bytes.writeUInt32LE(1, 446 + 8);
  bytes.writeUInt32LE(sectors - 1, 446 + 12);
  bytes.writeUInt16LE(0xaa55, 510);
  const entries = Buffer.alloc(128 * 128);
  for (const [index, [first, last]] of (
    [
      [34, 100],
      [101, 200],
    ] as const
  ).entries()) {
    entries.fill(index + 1, index * 128, index * 128 + 32);
    entries.writeBigUInt64LE(BigInt(first), index * 128 + 32);
    entries.writeBigUInt64LE(BigInt(last), index * 128 + 40);
  }
  for (const [myLba, alternateLba, entriesLba] of [
    [1, sectors - 1, 2],
    [sectors - 1, 1, sectors - 33],
  ] as const) {
    const header = {
      signature: 'EFI PART',
      revision: 0x00010000,
      headerSize: gptHeader.size,
      headerCrc: 0,
      reserved: 0,
      myLba,
      alternateLba,
      firstUsableLba: 34,
      lastUsableLba: sectors - 34,
      diskGuid: new Uint8Array(16).fill(7),
      entriesLba,
      entryCount: 128,
      entrySize: 128,
      entriesCrc: crc32(entries),
    };
    const sealed = { ...header, headerCrc: crc32(gptHeader.encode(header)) };
    bytes.set(gptHeader.encode(sealed), myLba * 512);
    bytes.set(entries, entriesLba * 512);
  }
  return specimen('by hand: raw with a GPT', 'raw', bytes);
}
