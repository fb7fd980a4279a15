/** What prepare() does for every format: the bytes of convert(), in parts, in any order, again, and after a restart. */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { type PrepareOptions, prepare } from '../../src/prepare.ts';
import type { FoundPart, Part, PreparedOutput } from '../../src/prepared/output.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import { TIMESTAMP } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type Variation, variations } from './variations.ts';

const path = tempFolder();
const reproducible = { timestamp: TIMESTAMP };
const raw = { format: 'raw' } as const;
const PART = 96 * KiB + 512; // never where a block of any format ends

const SIZE = 3 * MiB + 1536;
const disk = diskOf(SIZE, [
  { end: 300 * KiB + 1, kind: 'repeat', seed: 1 },
  { end: MiB - 1, kind: 'noise', seed: 2 },
  { end: MiB + 512, kind: 'repeat', seed: 3 },
  { end: 2 * MiB + 64 * KiB, kind: 'zero', seed: 0 },
  { end: 2.5 * MiB, kind: 'repeat', seed: 4 },
  { end: 3 * MiB, kind: 'noise', seed: 5 },
  { end: SIZE, kind: 'repeat', seed: 6 },
]).bytes;

beforeAll(() => writeFileSync(path('disk'), disk));

const optionsFor = ({ format, options }: Variation) =>
  ({ format: format.name, options, reproducible, input: raw }) as ConvertOptions;

const preparing = (variation: Variation): PrepareOptions =>
  ({ ...optionsFor(variation), scan: 'data', threads: 1 }) as PrepareOptions;

/** The file that convert() makes. */
async function converted(variation: Variation): Promise<Uint8Array> {
  const file = path(`${variation.name} converted`);
  await convert(path('disk'), file, { ...optionsFor(variation), threads: 1 });
  return readFileSync(file);
}

interface MadePart extends Part {
  readonly bytes: Uint8Array;
}

async function readAll(parts: AsyncIterable<Part>): Promise<MadePart[]> {
  const made: MadePart[] = [];
  for await (const part of parts) made.push({ ...part, bytes: await part.read() });
  return made;
}

/** The parts as a file, which they must tile. */
function joined(parts: readonly MadePart[]): Uint8Array {
  const inOrder = parts.toSorted((a, b) => a.number - b.number);
  let end = 0;
  for (const [index, { number, start, length, bytes }] of inOrder.entries()) {
    expect({ number, start, length: bytes.length }).toEqual({ number: index + 1, start: end, length });
    end += length;
  }
  return Buffer.concat(inOrder.map(({ bytes }) => bytes));
}

async function streamed(output: PreparedOutput): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of output.stream()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Every way to write once; clusters of other sizes are those of test/prepared/any-disk.test.ts. */
const prepared = variations.filter(({ options }) => !('clusterSize' in options) && !('compat' in options));

describe.each(prepared)('$name, prepared', (variation) => {
  it('has the bytes of the file, in parts and as a stream', async () => {
    const file = await converted(variation);
    await using output = await prepare(path('disk'), preparing(variation));
    const parts = await readAll(output.parts(PART));
    expect(difference(joined(parts), file)).toBeUndefined();
    expect(difference(await streamed(output), file)).toBeUndefined();
    if (output.kind === 'addressable') expect(output.size).toBe(file.length);
    else expect(output.maxSize).toBeGreaterThanOrEqual(file.length);
  });

  it('makes any part again, in any order', async () => {
    await using output = await prepare(path('disk'), preparing(variation));
    const parts = await readAll(output.parts(PART));
    for (const { bytes, read } of parts.toReversed()) {
      expect(difference(await read(), bytes)).toBeUndefined();
    }
  });

  it('goes on with a plan and a journal where another run has stopped', async () => {
    const file = await converted(variation);
    const plan = await (async () => {
      await using output = await prepare(path('disk'), preparing(variation));
      return JSON.stringify(output.plan);
    })();
    await using whole = await prepare(path('disk'), { plan: JSON.parse(plan), input: raw, threads: 1 });
    const all = await readAll(whole.parts(PART));
    const stops = new Set([1, Math.floor(all.length / 2), all.length]);
    for (const stop of stops) {
      // Told of more parts than were stored: the last two have been lost on the way.
      const found: FoundPart[] = all.slice(0, stop).map(({ start, found = '' }) => ({ start, found }));
      const stored = all.slice(0, Math.max(0, stop - 2));
      const skip = new Set(stored.map(({ number }) => number));
      await using output = await prepare(path('disk'), { plan: JSON.parse(plan), input: raw, threads: 1 });
      const rest = await readAll(output.parts(PART, { skip, found }));
      expect(rest.some(({ number }) => skip.has(number))).toBe(false);
      expect(difference(joined([...stored, ...rest]), file)).toBeUndefined();
    }
  });
});

const large = path('large');
const LARGE = 24 * MiB + 512;
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One variation of each way to write. */
const threaded = variations.filter(({ name }) =>
  ['raw', 'vhd', 'qcow2', 'qcow2 compress=true', 'zvhd', 'zvhd2'].includes(name),
);

describe.each(threaded)('$name on threads', (variation) => {
  beforeAll(() => {
    const runs = Array.from({ length: 24 }, (_, index) => ({
      end: (index + 1) * MiB + 512,
      kind: (['repeat', 'noise', 'repeat', 'zero'] as const)[index % 4] ?? 'zero',
      seed: index,
    }));
    writeFileSync(large, diskOf(LARGE, runs).bytes);
  });

  it('has the same bytes for 1 and 2 of them, several parts at a time', async () => {
    const digests: string[] = [];
    for (const threads of [1, 2]) {
      await using output = await prepare(large, { ...preparing(variation), threads });
      const parts: Promise<MadePart>[] = [];
      for await (const part of output.parts(MiB)) {
        parts.push(part.read().then((bytes) => ({ ...part, bytes })));
        if (parts.length % 5 === 0) await parts.at(-1);
      }
      digests.push(digestOf(joined(await Promise.all(parts))));
    }
    const file = path(`${variation.name} large`);
    await convert(large, file, { ...optionsFor(variation), threads: 2 });
    expect(new Set(digests)).toEqual(new Set([digestOf(readFileSync(file))]));
  });

  it('streams them too, and stops where the reader stops', async () => {
    await using output = await prepare(large, { ...preparing(variation), threads: 2 });
    const whole = await streamed(output);
    const reader = output.stream().getReader();
    const { value } = await reader.read();
    expect(difference(value as Uint8Array, whole.subarray(0, value?.length))).toBeUndefined();
    await reader.cancel();
  });

  it('stops when it is told to', async () => {
    await using output = await prepare(large, { ...preparing(variation), threads: 2 });
    const controller = new AbortController();
    const reading = (async () => {
      for await (const part of output.parts(MiB, { signal: controller.signal })) {
        await part.read();
        controller.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('a plan', () => {
  const zvhd2 = { format: 'zvhd2', input: raw } as const;
  it('is refused for another source', async () => {
    const other = path('other');
    writeFileSync(other, disk);
    await using output = await prepare(other, zvhd2);
    const changed = Uint8Array.from(disk);
    changed[disk.length - 1] = 0xee;
    writeFileSync(other, changed);
    await expect(prepare(other, { plan: output.plan, input: raw })).rejects.toMatchObject({
      code: 'source-changed',
    });
  });

  it('is refused when the source is read in another way', async () => {
    await using output = await prepare(path('disk'), zvhd2);
    await expect(
      prepare([path('disk'), path('disk')], { plan: output.plan, input: raw }),
    ).rejects.toMatchObject({ code: 'source-changed' });
  });

  it.each([null, {}, { version: 2 }, { version: 1, format: 'zip' }])('%j is none', async (plan) => {
    await expect(prepare(path('disk'), { plan: plan as never })).rejects.toMatchObject({
      code: 'bad-option',
    });
  });

  it('does not take a damaged journal', async () => {
    await using output = await prepare(path('disk'), zvhd2);
    for (const found of ['/w==', 'AA==', 'AP////8P']) {
      const parts = output.parts(MiB, { found: [{ start: 0, found }] });
      await expect(readAll(parts)).rejects.toMatchObject({ code: 'bad-data' });
    }
  });
});

describe('what cannot be prepared', () => {
  it.each([0, 1.5, 64 * KiB - 1, 2 ** 31])('parts of %d bytes', async (partSize) => {
    await using output = await prepare(path('disk'), { format: 'raw', input: raw });
    expect(() => output.parts(partSize)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  });

  it('ranges outside of the file', async () => {
    await using output = await prepare(path('disk'), { format: 'raw', input: raw });
    if (output.kind !== 'addressable') throw new Error('raw is addressable');
    for (const [start, end] of [
      [-1, 1],
      [2, 1],
      [0, SIZE + 1],
    ] as const) {
      await expect(output.read(start, end)).rejects.toMatchObject({ code: 'bad-size' });
    }
  });

  it('an image that is salvaged', async () => {
    const input = { format: 'raw', salvage: true } as const;
    await expect(prepare(path('disk'), { format: 'raw', input })).rejects.toMatchObject({
      code: 'bad-option',
    });
  });
});
