/** What a conversion leaves behind that fails: nothing new, and everything old as it was. */

import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { type ConvertOptions, convert } from '../../src/convert.ts';
import { openImage } from '../../src/open.ts';
import { diskOf } from '../support/guest-disks.ts';
import { collected, writeImage, writerFor } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { defaults, isLayout, type Variation, variations } from './variations.ts';

const path = tempFolder();
const disk = diskOf(24 * MiB, [{ end: 24 * MiB, kind: 'repeat', seed: 1 }]).bytes;
const source = path('source');
const OLD = 'what was there before';
const input = { format: 'raw' } as const;

/** Everything under the name of an output, finished or not. */
const leftovers = (name: string): string[] =>
  readdirSync(path('')).filter((file) => file.includes(name) && file !== name);

beforeEach(() => writeFileSync(source, disk));

/** In place, packed or appended: threads have a way of their own to fail for each. */
const kindOf = (variation: Variation): string => {
  const writer = writerFor(variation, MiB);
  return writer.kind === 'layout' ? writer.placement : writer.kind;
};
const oneOfEachKind = [...Map.groupBy(defaults, kindOf).values()].map(([first]) => first as Variation);

const cases = [
  ...defaults.map(({ format }) => ({ name: format.name, threads: 1 })),
  ...oneOfEachKind.map(({ format }) => ({ name: format.name, threads: 2 })),
];

describe.each(cases)('to $name on $threads threads', ({ name, threads }) => {
  const output = `${name}-${threads}`;
  const begin = (options: Partial<ConvertOptions>) =>
    convert(source, path(output), { format: name, input, threads, ...options } as ConvertOptions);

  const expectUntouched = () => {
    expect(readFileSync(path(output), 'utf8')).toBe(OLD);
    expect(leftovers(output)).toEqual([]);
  };

  beforeEach(() => writeFileSync(path(output), OLD));

  it('stops when it is told to, at once or in the middle', async () => {
    const early = begin({ signal: AbortSignal.abort() });
    await expect(early).rejects.toMatchObject({ name: 'CancelledError', code: 'cancelled' });
    expectUntouched();
    const controller = new AbortController();
    const late = begin({
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(late).rejects.toMatchObject({ code: 'cancelled', cause: new Error('enough') });
    expectUntouched();
  });

  it('stops when the last word on progress was given', async () => {
    const controller = new AbortController();
    const stopped = begin({
      signal: controller.signal,
      onProgress: ({ doneBytes, totalBytes }) => void (doneBytes === totalBytes && controller.abort()),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    expectUntouched();
  });

  it('stops when who listens to its progress throws', async () => {
    const thrown = new Error('of the listener');
    const stopped = begin({
      onProgress: () => {
        throw thrown;
      },
    });
    await expect(stopped).rejects.toBe(thrown);
    expectUntouched();
  });

  it('fails when the source grows, shrinks or changes meanwhile', async () => {
    for (const change of [
      () => appendFileSync(source, 'more'),
      () => truncateSync(source, 21 * MiB),
      () => writeFileSync(source, disk.with(0, 0)),
    ]) {
      writeFileSync(source, disk);
      let isChanged = false;
      const failed = begin({
        onProgress: () => {
          if (!isChanged) change();
          isChanged = true;
        },
      });
      await expect(failed).rejects.toMatchObject({
        code: expect.toBeOneOf(['source-changed', 'truncated']),
      });
      expectUntouched();
    }
  });

  it('fails without a file where there was none', async () => {
    const failed = convert(source, path(`new-${output}`), {
      format: name,
      input,
      threads,
      onProgress: () => truncateSync(source, 0),
    });
    await expect(failed).rejects.toMatchObject({ name: expect.stringMatching(/Error$/) });
    expect(leftovers(`new-${output}`)).toEqual([]);
    expect(readdirSync(path(''))).not.toContain(`new-${output}`);
  });
});

describe.each(defaults)('to $format.name', ({ format }) => {
  it('refuses to replace its own source, under any name', async () => {
    const names = { symbolic: path(`symbolic-${format.name}`), hard: path(`hard-${format.name}`) };
    symlinkSync(source, names.symbolic);
    linkSync(source, names.hard);
    for (const output of [source, ...Object.values(names)]) {
      const refused = convert(source, output, { format: format.name, input } as ConvertOptions);
      await expect(refused).rejects.toMatchObject({ name: 'ImageIoError', code: 'same-file' });
    }
    expect(readFileSync(source).equals(disk)).toBe(true);
  });

  it('refuses what is no file, or in no folder', async () => {
    mkdirSync(path(`folder-${format.name}`));
    const to = (output: string) => convert(source, output, { format: format.name, input } as ConvertOptions);
    await expect(to(path(`folder-${format.name}`))).rejects.toMatchObject({ code: 'not-a-file' });
    await expect(to('/dev/null')).rejects.toMatchObject({ code: 'not-a-file' });
    await expect(to(path('nowhere/output'))).rejects.toMatchObject({ code: 'write-failed' });
  });

  it('refuses options that it does not have, or not like that', async () => {
    for (const wrong of [
      { options: { nonsense: 1 } },
      ...Object.keys(format.createOptions).map((key) => ({ options: { [key]: 'nonsense' } })),
      { threads: 0 },
      { threads: 1.5 },
      { sparseSize: 100 },
      { sparseSize: -512 },
    ]) {
      const refused = convert(source, path('x'), { format: format.name, input, ...wrong } as ConvertOptions);
      await expect(refused).rejects.toMatchObject({ name: 'OptionError', code: 'bad-option' });
    }
    for (const size of [-1, 0.5, 2 ** 53, Number.NaN]) {
      const refused = convert(source, path('x'), { format: format.name, input, size } as ConvertOptions);
      await expect(refused).rejects.toMatchObject({ name: 'OptionError', code: 'bad-size' });
    }
  });
});

/** One variation for each codec. */
const packed = variations.filter((variation, i, all) => {
  const codecOf = (other: Variation) => {
    const writer = writerFor(other, MiB);
    return writer.kind === 'appender' ? writer.codec : undefined;
  };
  return !isLayout(variation) && all.findIndex((other) => codecOf(other) === codecOf(variation)) === i;
});

describe.each(packed)('damaged $name', (variation) => {
  const damaged = path(`damaged ${variation.name}`);

  beforeAll(async () => {
    const small = disk.subarray(0, 22 * MiB);
    const bytes = (await writeImage(variation, small)).bytes.slice();
    await using image = await openImage(bytes);
    const extent = (await collected(image.extents())).filter(({ kind }) => kind === 'packed').at(-2);
    if (extent?.kind !== 'packed') throw new Error('nothing is packed');
    bytes.fill(0xff, extent.fileOffset, extent.fileOffset + extent.storedLength);
    writeFileSync(damaged, bytes);
  });

  it('fails the same way on any number of threads', async () => {
    const failures = [];
    for (const threads of [1, 2]) {
      const failed = convert(damaged, path('no-output'), { format: 'vhd', threads });
      failures.push(
        await failed.then(
          () => undefined,
          ({ name, code, message, fileOffset, guestOffset, hint }) => ({
            name,
            code,
            message,
            fileOffset,
            guestOffset,
            hint,
          }),
        ),
      );
    }
    expect(failures[0]).toMatchObject({ name: 'CorruptImageError', fileOffset: expect.any(Number) });
    expect(failures[1]).toEqual(failures[0]);
    expect(leftovers('no-output')).toEqual([]);
  });
});
