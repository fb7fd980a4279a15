/** What convert() does for every format: the same file on any number of threads, and sizes as they were asked for. */

import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { alignUp, KiB, MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import type { CreateOptions } from '../../src/formats/index.ts';
import { openImage } from '../../src/open.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import { readGuest, TIMESTAMP } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { defaults, isLayout, type Variation, variations } from './variations.ts';

const path = tempFolder();
const reproducible = { timestamp: TIMESTAMP };

/** Enough tasks for threads to start, and to overtake each other: noise takes longer than text. */
const LARGE = 24 * MiB + 1536;
const large = diskOf(LARGE, [
  { end: 3 * MiB + 1, kind: 'repeat', seed: 1 },
  { end: 6 * MiB - 1, kind: 'noise', seed: 2 },
  { end: 9 * MiB, kind: 'repeat', seed: 3 },
  { end: 9 * MiB + 64 * KiB, kind: 'zero', seed: 0 },
  { end: 17 * MiB, kind: 'repeat', seed: 4 },
  { end: 18 * MiB, kind: 'noise', seed: 5 },
  { end: LARGE, kind: 'repeat', seed: 6 },
]).bytes;

/** Data to somewhere within a block, and zeros behind it. */
const DATA_END = 300 * KiB + 7;
const small = diskOf(5 * MiB, [{ end: DATA_END, kind: 'noise', seed: 7 }]).bytes;

const digestOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const optionsFor = ({ format, options }: Variation): ConvertOptions =>
  ({ format: format.name, options }) as ConvertOptions;

const rawInput = { format: 'raw' } as const;

beforeAll(() => {
  writeFileSync(path('large'), large);
  writeFileSync(path('small'), small);
});

/** Threads are slow to start: one variation that compresses and one that does not will do for each format. */
const threaded = variations.filter(
  (variation, i) =>
    variations.findIndex(
      (other) => other.format === variation.format && isLayout(other) === isLayout(variation),
    ) === i,
);

describe.each(threaded)('$name on threads', (variation) => {
  it('has the same bytes for 1, 2 and 5 of them', async () => {
    const digests = [];
    for (const threads of [1, 2, 5]) {
      const output = path(`${variation.name} on ${threads}`);
      const options = { ...optionsFor(variation), input: rawInput, threads, reproducible };
      const report = await convert(path('large'), output, options);
      expect(report.fileSize).toBe(statSync(output).size);
      digests.push(digestOf(output));
    }
    expect(new Set(digests)).toHaveLength(1);
    await using image = await openImage(path(`${variation.name} on 5`), { format: variation.format.name });
    expect(difference(await readGuest(image, 0, LARGE), large)).toBeUndefined();
  });

  it('reads back on threads what it wrote', async () => {
    const output = path(`${variation.name} read back`);
    const input = { format: variation.format.name } as const;
    const options = { format: 'raw', size: LARGE, threads: 2, input } as const;
    await convert(path(`${variation.name} on 2`), output, options);
    expect(difference(readFileSync(output), large)).toBeUndefined();
  });
});

describe.each(variations)('converted to $name', (variation) => {
  const options = { ...optionsFor(variation), input: rawInput, threads: 1 };
  const output = path(`${variation.name} small`);

  it('is the same file whenever it is made reproducibly, and another one otherwise', async () => {
    await convert(small, output, { ...options, reproducible });
    const first = digestOf(output);
    await convert(small, output, { ...options, reproducible });
    expect(digestOf(output)).toBe(first);
    await convert(small.with(0, (small[0] as number) ^ 1), output, { ...options, reproducible });
    expect(digestOf(output)).not.toBe(first);
  });

  it('grows with zeros', async () => {
    const size = 7 * MiB + 512;
    const report = await convert(small, output, { ...options, size });
    expect(report).toMatchObject({ inputVirtualSize: small.length, virtualSize: size, notes: [] });
    await using image = await openImage(output);
    expect(difference(await readGuest(image, 0, small.length), small)).toBeUndefined();
    const grown = await readGuest(image, small.length, size);
    expect(difference(grown, new Uint8Array(grown.length))).toBeUndefined();
  });

  it('shrinks over zeros, to the last byte of data', async () => {
    const size = alignUp(DATA_END, variation.format.sizeUnit);
    await convert(small, output, { ...options, size });
    await using image = await openImage(output);
    expect(image.details.originalSize ?? image.virtualSize).toBe(size);
    expect(difference(await readGuest(image, 0, size), small.subarray(0, size))).toBeUndefined();
  });

  it('does not shrink over data, and says where it is', async () => {
    const size = alignUp(DATA_END, 512) - 512;
    await expect(convert(small, output, { ...options, size })).rejects.toMatchObject({
      name: 'OptionError',
      code: 'data-past-size',
      guestOffset: small.findIndex((byte, at) => at >= size && byte !== 0),
    });
  });

  it('rounds the size up where the format must, and notes it', async () => {
    const { virtualSize, notes } = await convert(small.subarray(0, DATA_END), output, options);
    const rounded = alignUp(DATA_END, variation.format.sizeUnit);
    expect(virtualSize).toBe(rounded);
    expect(notes.map(({ code }) => code)).toEqual(rounded === DATA_END ? [] : ['rounded-size']);
  });

  it('goes on to raw and comes back as the same disk', async () => {
    await convert(small, output, options);
    await using image = await openImage(output);
    const size = image.virtualSize > small.length ? 'original' : undefined;
    await convert(output, path('back'), { format: 'raw', ...(size && { size }) });
    expect(difference(readFileSync(path('back')), small)).toBeUndefined();
  });

  it('has no holes when none are wanted, but for the gaps of a compressed qcow2', async () => {
    await convert(small, output, { ...options, sparseSize: 0 });
    const { size, blocks } = statSync(output);
    const { compress = false, clusterSize = 64 * KiB } = (options.options ?? {}) as CreateOptions<'qcow2'>;
    expect(blocks * 512).toBeGreaterThanOrEqual(size - (compress ? 2 * clusterSize : 0));
  });

  it('tells its progress: never back, and to the end', async () => {
    const told: { doneBytes: number; writtenBytes: number; totalBytes: number }[] = [];
    const { virtualSize } = await convert(small, output, {
      ...options,
      onProgress: (progress) => told.push(progress),
    });
    for (const key of ['doneBytes', 'writtenBytes'] as const) {
      const values = told.map((progress) => progress[key]);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
    expect(new Set(told.map(({ totalBytes }) => totalBytes))).toEqual(new Set([virtualSize]));
    expect(told.at(-1)?.doneBytes).toBe(virtualSize);
  });
});

describe.each(defaults.filter(({ format }) => format.name !== 'raw'))('$name', (variation) => {
  const { format } = variation;

  it('opens with its name, its aliases and its endings, or by its bytes alone', async () => {
    const output = path(`named${format.suffixes[0]}`);
    await convert(small, output, { ...optionsFor(variation), input: rawInput });
    for (const name of [undefined, format.name]) {
      await using image = await openImage(output, name === undefined ? {} : { format: name });
      expect(image).toMatchObject({ format: format.name, isProbed: name === undefined });
    }
  });

  it('is not what other formats take for their own', async () => {
    const output = path(`${format.name} for others`);
    await convert(small, output, { ...optionsFor(variation), input: rawInput });
    for (const other of defaults) {
      if (other.format === format || other.format.name === 'raw') continue;
      await expect(openImage(output, { format: other.format.name })).rejects.toMatchObject({
        code: 'wrong-format',
        format: other.format.name,
      });
    }
    expect(defaults.length).toBeGreaterThan(1);
  });
});

describe('raw', () => {
  it('is sparse where the disk is zero', async () => {
    const disk = new Uint8Array(4 * MiB).fill(1, 2 * MiB, 2 * MiB + 4 * KiB);
    await convert(disk, path('sparse'), { format: 'raw', input: rawInput });
    const { size, blocks } = statSync(path('sparse'));
    expect(size).toBe(disk.length);
    expect(blocks * 512).toBeLessThan(MiB);
    expect(difference(readFileSync(path('sparse')), disk)).toBeUndefined();
  });

  it('remembers no original size', async () => {
    const refused = convert(small, path('x'), { format: 'raw', input: rawInput, size: 'original' });
    await expect(refused).rejects.toMatchObject({ name: 'OptionError', code: 'bad-size' });
  });
});
