/** Every read of every kind of image fails in turn, or is where the conversion is cancelled. */

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KiB, MiB } from '../../src/binary/align.ts';
import { convert } from '../../src/convert.ts';
import { ImageIoError } from '../../src/errors.ts';
import type { ByteSource } from '../../src/io/source.ts';
import type { OpenImageOptions } from '../../src/open.ts';
import { variations } from '../contracts/variations.ts';
import {
  type BeforeCall,
  causesOf,
  openFiles,
  rejectionOf,
  type WatchedSource,
  watchedSource,
} from '../support/faults.ts';
import { fixtureBytes, fixtureNamed } from '../support/fixtures.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import { writeImage } from '../support/memory-images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();

/** Text, so that images stay small, in pieces, so that there is much to read. */
const disk = diskOf(
  MiB,
  Array.from({ length: 16 }, (_, i) => ({
    end: (i + 1) * 64 * KiB,
    kind: i % 3 === 1 ? ('zero' as const) : ('repeat' as const),
    seed: i,
  })),
).bytes;

/** An image, and the images that it names. */
interface Case {
  readonly name: string;
  readonly input: OpenImageOptions;
  files(): Promise<readonly Uint8Array[]>;
}

const written: readonly Case[] = variations.map((variation) => ({
  name: variation.name,
  input: { format: variation.format.name },
  files: async () => [(await writeImage(variation, disk)).bytes],
}));

const chained: readonly Case[] = [
  'backing',
  'backing-v2',
  'backing-extended-l2',
  'data-file',
  'data-file-raw',
].map((name) => ({
  name: `qcow2 ${name}`,
  input: {},
  files: async () => {
    const fixture = fixtureNamed(`qcow2/${name}.qcow2`);
    return [fixture, ...(fixture.companions ?? [])].map(fixtureBytes);
  },
}));

/** Few images need as many; of those that do, the first ones are tried. */
const MAX_CALLS = 40;

describe.each([...written, ...chained])('from $name', ({ files, input }) => {
  /** Converts with `before` called before each read of any of the files. */
  async function run(bytes: readonly Uint8Array[], before: BeforeCall, signal?: AbortSignal) {
    let reads = 0;
    const sources: WatchedSource[] = bytes.map((file, i) =>
      watchedSource(
        file,
        async () => {
          reads += 1;
          await before(reads);
        },
        `file ${i}`,
      ),
    );
    const rest: ByteSource[] = sources.slice(1);
    const error = await rejectionOf(
      convert(sources[0] as ByteSource, path('output'), {
        format: 'raw',
        input: { ...input, resolve: () => rest.shift() },
        ...(signal && { signal }),
      }),
    );
    return { error, reads, sources, opened: sources.length - rest.length };
  }

  /** Everything closed once, and nothing left. */
  function expectClearedAway({ sources, opened }: Awaited<ReturnType<typeof run>>, place: string): void {
    for (const { books } of sources.slice(0, opened)) {
      expect(books, place).toMatchObject({ closes: 1, readsWhenClosed: 0 });
    }
    expect(readdirSync(path('')), place).toEqual([]);
  }

  it('fails with the fault, whichever read it is', async () => {
    const bytes = await files();
    const whole = await run(bytes, () => {});
    expect(whole.error).toBeUndefined();
    expect(whole.reads).toBeGreaterThan(0);
    if (bytes.length === 1)
      expect(difference(readFileSync(path('output')).subarray(0, MiB), disk)).toBeUndefined();
    rmSync(path('output'));
    const handles = openFiles();
    for (let n = 1; n <= Math.min(whole.reads, MAX_CALLS); n++) {
      const cause = new Error('EIO: i/o error');
      const fault = new ImageIoError('read-failed', 'file 0 cannot be read.', { cause });
      const result = await run(bytes, (call) => {
        if (call === n) throw fault;
      });
      expect(causesOf(result.error), `read ${n}`).toContain(cause);
      expect(result.error, `read ${n}`).toMatchObject({ name: 'ImageIoError', code: 'read-failed' });
      expectClearedAway(result, `read ${n}`);
      expect(openFiles(), `read ${n}`).toBe(handles);
    }
  });

  it('stops where it is told to, whichever read it is', async () => {
    const bytes = await files();
    const { reads } = await run(bytes, () => {});
    rmSync(path('output'));
    const handles = openFiles();
    for (let n = 1; n <= Math.min(reads, MAX_CALLS); n++) {
      const controller = new AbortController();
      const result = await run(
        bytes,
        (call) => {
          if (call === n) controller.abort();
        },
        controller.signal,
      );
      expect(result.error, `read ${n}`).toMatchObject({ name: 'CancelledError', code: 'cancelled' });
      expectClearedAway(result, `read ${n}`);
      expect(openFiles(), `read ${n}`).toBe(handles);
    }
  });
});

describe('looking for data behind a smaller size', () => {
  it('stops at the next read when it is told to', async () => {
    const controller = new AbortController();
    const zeros = watchedSource(new Uint8Array(40 * MiB), (read) => {
      if (read === 2) controller.abort();
    });
    const stopped = convert(zeros, path('output'), {
      format: 'raw',
      size: MiB,
      input: { format: 'raw' },
      signal: controller.signal,
    });
    expect(await rejectionOf(stopped)).toMatchObject({ name: 'CancelledError' });
    expect(zeros.books).toMatchObject({ reads: 2, closes: 1 });
  });
});
