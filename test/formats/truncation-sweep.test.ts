/**
 * Half a download of every fixture: cut at every edge of a structure, a byte beside it, and at 200 other places, its
 * extents are those of the whole image, or there is an error with a code and a place; and what can be read of it is
 * what stands in the whole image. `truncation.test.ts` converts some of them, too.
 */

import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { ImageError, type OpenedImage, type OpenImageOptions, openImage } from '../../src/index.ts';
import { memorySource } from '../../src/io/memory.ts';
import { anatomyOf, edgesOf } from '../support/anatomy.ts';
import { cutsOf } from '../support/cuts.ts';
import { type Fixture, fixtureBytes, fixtures } from '../support/fixtures.ts';
import { seededRandom } from '../support/seeded-guest.ts';

const RANDOM_CUTS = 200;
/** Of an image with thousands of blocks, about this many are cut. */
const MAX_BLOCKS = 30;
const WINDOW = 32 * 1024;
/** Of every one of these cuts a part is read; blocks of 2 MiB take their time. */
const READ_EVERY = {
  vhd: 1,
  vhdx: 1,
  qcow2: 1,
  vdi: 1,
  qcow: 1,
  qed: 1,
  luks: 1,
  vmdk: 4,
  zvhd: 12,
  zvhd2: 12,
} as const;

/** A raw image that is cut is a shorter disk, and nothing in it says otherwise. */
const cuttable = fixtures.filter(({ format }) => format !== 'raw');

/** What an image with a part missing may be refused with. */
const ALLOWED = [
  'truncated',
  'wrong-format',
  'bad-header',
  'bad-checksum',
  'bad-table',
  'bad-reference',
  'bad-data',
];

const PROBED = ['unknown-format'];

describe.each(cuttable)('$file', (fixture) => {
  test('is refused, or is the same disk, wherever it is cut', async () => {
    const bytes = fixtureBytes(fixture);
    const openCut = openerOf(fixture);
    const whole = await openCut(bytes.length).catch(() => undefined);
    const expected = await extentsOf(() => openCut(bytes.length));
    const random = seededRandom(bytes.length);
    const readEvery = READ_EVERY[fixture.format as keyof typeof READ_EVERY];
    const blocks = await blocksOf(whole);
    for (const [index, cut] of cutsFor(fixture, bytes, blocks, random).entries()) {
      const where = `cut to ${cut}`;
      const found = await extentsOf(() => openCut(cut));
      expect([expected, ...ALLOWED], where).toContain(found);
      if (index % 4 === 0) {
        const probed = await extentsOf(() => openCut(cut, { format: undefined }));
        expect([found, ...PROBED], `${where}, probed`).toContain(probed);
      }
      if (whole === undefined || index % readEvery !== 0) continue;
      // Where all extents are there, the cut is in the last block if in any.
      const isThere = found === expected && expected.startsWith('[');
      const from = isThere ? lastOf(blocks) : windowIn(whole.virtualSize, random);
      const part = await readAt(openCut(cut), from);
      if (typeof part === 'string') {
        // Of the last sector of a compressed cluster a part will do, as long as the payload is in it.
        expect(isThere ? ['bad-data'] : ALLOWED, `${where}, read from ${from}`).toContain(part);
      } else {
        const same = await bytesAt(whole, from);
        expect(Buffer.compare(part, same), `${where}, read from ${from}`).toBe(0);
      }
    }
  });
});

type Open = () => Promise<OpenedImage>;

function openerOf(fixture: Fixture) {
  const bytes = fixtureBytes(fixture);
  const [companion] = fixture.companions ?? [];
  const other = companion && fixtureBytes(companion);
  const { format } = fixture;
  return (length: number, options: object = {}): Promise<OpenedImage> =>
    openImage(memorySource(bytes.subarray(0, length), `half.${format}`), {
      format,
      ...(other && { resolve: () => memorySource(other, 'the companion') }),
      ...options,
    } as OpenImageOptions);
}

/** All extents as text, or the code of what was thrown. */
async function extentsOf(open: Open): Promise<string> {
  return codeOr(async () => {
    await using image = await open();
    const extents: unknown[] = [];
    // How long a payload is said to be may end with the file.
    for await (const extent of image.extents()) extents.push({ ...extent, storedLength: undefined });
    return JSON.stringify(extents);
  });
}

/** Guest bytes from `from`, or the code of what was thrown. */
const readAt = (opening: Promise<OpenedImage>, from: number): Promise<Uint8Array | string> =>
  codeOr(async () => {
    await using image = await opening;
    return bytesAt(image, from);
  });

async function bytesAt(image: OpenedImage, from: number): Promise<Uint8Array> {
  const part = new Uint8Array(Math.min(WINDOW, image.virtualSize - from)).fill(0xa5);
  await image.read(part, from);
  return part;
}

async function codeOr<T>(act: () => Promise<T>): Promise<T | string> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const { code, fileOffset, message } = error;
    if (fileOffset === undefined && code !== 'unknown-format') throw new Error(`no place: ${message}`);
    return code;
  }
}

/** Mostly where something is stored: near the start, as these disks are. */
const windowIn = (virtualSize: number, random: () => number): number =>
  random() % Math.min(Math.max(1, virtualSize - WINDOW), 4 * 1024 * 1024);

/** Something that is stored: where in the file, and of which guest bytes. */
interface Block {
  readonly start: number;
  readonly end: number;
  readonly guestOffset: number;
}

/** As far as they can be told. */
async function blocksOf(whole: OpenedImage | undefined): Promise<readonly Block[]> {
  const blocks: Block[] = [];
  await codeOr(async () => {
    for await (const extent of whole?.extents() ?? []) {
      if (extent.kind === 'zero' || extent.depth !== undefined) continue;
      const { fileOffset: start, guestOffset } = extent;
      const length = extent.kind === 'data' ? extent.length : extent.storedLength;
      blocks.push({ start, end: start + length, guestOffset });
    }
  });
  return blocks;
}

/** The guest offset of the block that ends last in the file. */
const lastOf = (blocks: readonly Block[]): number =>
  blocks.reduce((last, block) => (block.end > last.end ? block : last), { end: 0, guestOffset: 0 })
    .guestOffset;

/** Lengths to which the image is cut, all shorter than it. */
function cutsFor(
  { format, features }: Fixture,
  bytes: Uint8Array,
  blocks: readonly Block[],
  random: () => number,
): number[] {
  const edges = features.includes('truncated') ? [] : edgesOf(anatomyOf(bytes, format));
  const step = Math.max(1, Math.floor(blocks.length / MAX_BLOCKS));
  const some = blocks.filter((_, index) => index % step === 0 || index === blocks.length - 1);
  edges.push(...some.flatMap(({ start, end }) => [start, end]));
  return cutsOf(bytes.length, edges, RANDOM_CUTS, random);
}
