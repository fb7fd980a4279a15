/** Many conversions in one process, one after the other and at once: nothing piles up, and none is in another's way. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { openImage } from '../../src/open.ts';
import { defaults } from '../contracts/variations.ts';
import { liveThreads, openFiles, rejectionOf, watchedSource } from '../support/faults.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import type { Holdings } from '../support/long-run.ts';
import { readGuest, TIMESTAMP } from '../support/memory-images.ts';
import { pause, start } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const raw = { input: { format: 'raw' } } as const;
const reproducible = { timestamp: TIMESTAMP };

const diskWith = (seed: number, size: number): Uint8Array =>
  diskOf(size, [{ end: size, kind: 'repeat', seed }]).bytes;

/** How much a number grows from each to the next. */
const growths = (numbers: readonly number[]): number[] =>
  numbers.slice(1).map((number, i) => number - (numbers[i] as number));

describe('500 conversions in one process', () => {
  it('leave no memory, no file and no thread behind', async () => {
    const folder = path('long');
    mkdirSync(folder);
    const script = fileURLToPath(new URL('../support/long-run.ts', import.meta.url));
    const { code, out, err } = await start(process.execPath, ['--expose-gc', script, folder, '4', '125', '6'])
      .ended;
    expect(code, err).toBe(0);
    const held: readonly Holdings[] = JSON.parse(out);
    const [warm, ...later] = held;
    expect(later).toHaveLength(4);
    for (const { files, threads } of later) {
      expect(files).toBe(warm?.files);
      expect(threads).toBe(warm?.threads);
    }
    // An allocator takes reserves when it likes, once or twice; what is lost at each conversion grows in each stretch.
    const least = (numbers: readonly number[]): number => Math.min(...growths(numbers));
    expect(least(held.map(({ reachable }) => reachable)) / MiB).toBeLessThan(1);
    expect(least(held.map(({ rss }) => rss)) / MiB).toBeLessThan(4);
  });
});

describe.each(defaults)('to $name', ({ format }) => {
  const options = { format: format.name, ...raw, reproducible, threads: 2 } as ConvertOptions;
  const source = path(`${format.name} source`);

  it('two conversions of one source at once are both right', async () => {
    writeFileSync(source, diskWith(1, 24 * MiB));
    const outputs = [1, 2].map((i) => path(`${format.name} ${i}`));
    await Promise.all(outputs.map((output) => convert(source, output, options)));
    const [first, second] = outputs.map((output) => readFileSync(output));
    expect(difference(first as Buffer, second as Buffer)).toBeUndefined();
    await using image = await openImage(outputs[0] as string, { format: format.name });
    expect(difference(await readGuest(image, 0, 24 * MiB), diskWith(1, 24 * MiB))).toBeUndefined();
  });

  it('of two conversions to one name one wins, whole', async () => {
    const folder = path(`${format.name} contested`);
    mkdirSync(folder);
    const output = `${folder}/output`;
    const disks = [diskWith(1, MiB), diskWith(2, MiB + 512)];
    await Promise.all(disks.map((disk) => convert(disk, output, options)));
    await using image = await openImage(output, { format: format.name });
    const size = image.details.originalSize ?? image.virtualSize;
    const disk = disks.find(({ length }) => length === size) ?? new Uint8Array(0);
    expect(disk.length).toBe(size);
    expect(difference(await readGuest(image, 0, disk.length), disk)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['output']);
  });

  it('a slow source is waited for', async () => {
    const disk = diskWith(3, 300 * KiB);
    const slow = watchedSource(disk, () => pause(30));
    await convert(slow, path(`${format.name} slow`), options);
    await using image = await openImage(path(`${format.name} slow`), { format: format.name });
    expect(difference(await readGuest(image, 0, disk.length), disk)).toBeUndefined();
  });

  it('on threads, it can be cancelled at each word of progress, and no thread or file stays', async () => {
    writeFileSync(source, diskWith(1, 24 * MiB));
    const folder = path(`${format.name} cancelled`);
    mkdirSync(folder);
    await convert(source, `${folder}/output`, options);
    const whole = readFileSync(`${folder}/output`);
    const before = { files: openFiles(), threads: liveThreads() };
    for (const n of [1, 2, 4, 7]) {
      const controller = new AbortController();
      let words = 0;
      const onProgress = (): void => {
        words += 1;
        if (words === n) controller.abort();
      };
      const stopped = convert(source, `${folder}/output`, {
        ...options,
        signal: controller.signal,
        onProgress,
      });
      expect(await rejectionOf(stopped), `word ${n}`).toMatchObject({ name: 'CancelledError' });
      expect({ files: openFiles(), threads: liveThreads() }, `word ${n}`).toEqual(before);
      expect(readdirSync(folder)).toEqual(['output']);
    }
    expect(difference(readFileSync(`${folder}/output`), whole)).toBeUndefined();
  });
});
