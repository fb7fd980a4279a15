/** Every call by which an output is written fails in turn: the fault is told, and nothing is left behind. */

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { KiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { openBlockingFileSource } from '../../src/io/file-source.ts';
import { openImage } from '../../src/open.ts';
import { type Variation, variations } from '../contracts/variations.ts';
import { causesOf, openFiles, rejectionOf } from '../support/faults.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import { readGuest, TIMESTAMP } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { calls, watching } from '../support/watched-calls.ts';

vi.mock('node:fs', async (original) => {
  const { watchedFs } = await import('../support/watched-calls.ts');
  return watchedFs(await original());
});
vi.mock('node:fs/promises', async (original) => {
  const { watchedPromises } = await import('../support/watched-calls.ts');
  return watchedPromises(await original());
});

const path = tempFolder();
const output = path('output');
const OLD = 'what was there before';

/** Data with zeros between, so that there is more than one write. */
const disk = diskOf(400 * KiB, [
  { end: 70 * KiB, kind: 'noise', seed: 1 },
  { end: 200 * KiB, kind: 'zero', seed: 0 },
  { end: 300 * KiB, kind: 'repeat', seed: 2 },
]).bytes;

const begin = ({ format, options }: Variation, more: Partial<ConvertOptions> = {}) =>
  convert(disk, output, {
    format: format.name,
    options,
    input: { format: 'raw' },
    reproducible: { timestamp: TIMESTAMP },
    ...more,
  } as ConvertOptions);

/** As the operating system puts it. */
const fault = (): Error =>
  Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'injected', errno: -5 });

async function expectWhole({ format }: Variation): Promise<void> {
  await using image = await openImage(output, { format: format.name });
  expect(difference(await readGuest(image, 0, disk.length), disk)).toBeUndefined();
}

describe.each(variations)('to $name', (variation) => {
  it('fails with the fault, whichever call it is, and leaves what was there', async () => {
    rmSync(output, { force: true });
    await watching({}, () => begin(variation));
    const { made } = calls;
    const renamed = made.indexOf('rename') + 1;
    expect(made.filter((name) => name === 'writev').length).toBeGreaterThan(1);
    expect(made).toEqual(expect.arrayContaining(['truncate', 'sync', 'rename']));
    const files = openFiles();
    for (let n = 1; n <= made.length; n++) {
      const isNew = n % 2 === 0;
      if (isNew) rmSync(output, { force: true });
      else writeFileSync(output, OLD);
      const injected = fault();
      const failed = watching(
        {
          before: (call) => {
            if (call === n) throw injected;
          },
        },
        () => begin(variation),
      );
      const error = await rejectionOf(failed);
      const place = `${variation.name}, call ${n}: ${made[n - 1]}`;
      expect(causesOf(error), place).toContain(injected);
      expect(error, place).toMatchObject({ name: 'ImageIoError', code: 'write-failed' });
      // After it has its name, a file is complete, and only the flush of its folder can fail.
      if (n > renamed) await expectWhole(variation);
      else if (!isNew) expect(readFileSync(output, 'utf8'), place).toBe(OLD);
      expect(readdirSync(path('')), place).toEqual(n > renamed || !isNew ? ['output'] : []);
      expect(openFiles(), place).toBe(files);
    }
  });

  it('is the same when the system takes a few bytes at a time, or all but one', async () => {
    await begin(variation);
    const whole = readFileSync(output);
    for (const takes of [
      (length: number) => Math.min(length, 33_333),
      (length: number) => Math.max(1, length - 1),
    ]) {
      await watching({ takes }, () => begin(variation));
      expect(difference(readFileSync(output), whole)).toBeUndefined();
    }
  });

  it('can be cancelled at every call until it has its name', async () => {
    rmSync(output, { force: true });
    await watching({}, () => begin(variation));
    const renamed = calls.made.indexOf('rename') + 1;
    const files = openFiles();
    for (let n = 1; n < renamed; n++) {
      writeFileSync(output, OLD);
      const controller = new AbortController();
      const stopped = watching(
        {
          before: (call) => {
            if (call === n) controller.abort(new Error(`at call ${n}`));
          },
        },
        () => begin(variation, { signal: controller.signal }),
      );
      const error = await rejectionOf(stopped);
      const place = `${variation.name}, call ${n}: ${calls.made[n - 1]}`;
      expect(error, place).toMatchObject({ name: 'CancelledError', code: 'cancelled' });
      expect(causesOf(error).at(-1), place).toEqual(new Error(`at call ${n}`));
      expect(readFileSync(output, 'utf8'), place).toBe(OLD);
      expect(readdirSync(path('')), place).toEqual(['output']);
      expect(openFiles(), place).toBe(files);
    }
  });
});

describe('a second fault, when the first is being cleared away', () => {
  const raw = variations[0] as Variation;

  it('does not hide the first', async () => {
    rmSync(output, { force: true });
    const first = fault();
    const failed = watching(
      {
        before: (_, name) => {
          if (name === 'sync') throw first;
          if (name === 'unlink') throw fault();
        },
      },
      () => begin(raw),
    );
    expect(causesOf(await rejectionOf(failed))).toContain(first);
    for (const name of readdirSync(path(''))) rmSync(path(name));
  });

  it('is none when the file is gone already', async () => {
    const first = fault();
    const failed = watching(
      {
        before: (_, name) => {
          if (name !== 'sync') return;
          for (const file of readdirSync(path(''))) rmSync(path(file));
          throw first;
        },
      },
      () => begin(raw),
    );
    expect(causesOf(await rejectionOf(failed))).toContain(first);
    expect(readdirSync(path(''))).toEqual([]);
  });
});

describe('a source that gives a few bytes at a time', () => {
  const source = `${path('')}-source`;
  const takes = (length: number): number => Math.min(length, 777);

  it('is read whole, on the main thread and by threads', async () => {
    writeFileSync(source, disk);
    await watching({ takes }, () => convert(source, output, { format: 'raw', input: { format: 'raw' } }));
    expect(difference(readFileSync(output), disk)).toBeUndefined();
    rmSync(output);
    const blocking = openBlockingFileSource(source, disk.length, undefined);
    const bytes = new Uint8Array(disk.length - 5);
    await watching({ takes }, () => blocking.read(bytes, 5));
    await blocking.close();
    expect(difference(bytes, disk.subarray(5))).toBeUndefined();
    rmSync(source);
  });
});
