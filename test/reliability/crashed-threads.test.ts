/** A worker thread ends in the middle of its work: an error, no output, no hang; and the process goes on. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import type { CrashReport } from '../support/crash-host.ts';
import { diskOf } from '../support/guest-disks.ts';
import { bin, pause, start, until } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source.raw');
const fileOf = (name: string): string => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
const withCrashes = ['--import', fileOf('crashing-threads.ts')];

beforeAll(() => {
  // With work left for longer than it takes to be told of a thread's end, at each of the places.
  const ends = [5, 12, 13, 40];
  const runs = ends.map(
    (end, i) => ({ end: end * MiB, kind: i % 2 === 0 ? 'repeat' : 'noise', seed: i }) as const,
  );
  writeFileSync(source, diskOf(40 * MiB, runs).bytes);
});

/** When they open their files; at the first piece of work; and when some of it is done. */
const places = ['openSync 1', 'openSync 2', 'readSync 1', 'readSync 2', 'writevSync 1', 'writevSync 2'];

describe('a thread that', () => {
  it.each(['exits', 'throws', 'rejects'])(
    '%s, at any place, is an error of this conversion alone',
    async (how) => {
      const folder = path(how);
      mkdirSync(folder);
      const crashes = places.map((place) => `${how} ${place}`);
      const { ended } = start(process.execPath, [
        ...withCrashes,
        fileOf('crash-host.ts'),
        source,
        folder,
        ...crashes,
      ]);
      const { code, out, err } = await ended;
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const report: CrashReport = JSON.parse(out);
      expect(report.outcomes).toHaveLength(crashes.length * 2);
      for (const { crash, format, left, ...outcome } of report.outcomes) {
        expect({ crash, format, left, ...outcome }).toMatchObject({
          crash,
          format,
          left: [],
          code: 'worker-failed',
        });
        expect(outcome.message).toMatch(/^A worker thread failed: (on purpose|worker exited|it has ended)/);
        expect(outcome.took).toBeLessThan(10_000);
      }
      expect(report.isWholeAfterwards).toBe(true);
      expect(report.filesAfter).toBe(report.filesBefore);
      expect(report.threadsAfter).toBe(report.threadsBefore);
    },
  );

  it('hangs does not keep the process from ending when it is told to', async () => {
    const folder = path('hangs');
    mkdirSync(folder);
    const argv = ['convert', '-m', '2', '-O', 'qcow2', source, `${folder}/output`];
    const { child, ended } = start(process.execPath, [...withCrashes, bin, ...argv], {
      CRASH: 'hangs writevSync 2',
    });
    await until(
      () => readdirSync(folder).length > 0,
      () => child.exitCode !== null,
    );
    await pause(1500); // until both threads hang
    child.kill('SIGTERM');
    const { code, err } = await ended;
    expect({ code, left: readdirSync(folder) }, err).toEqual({ code: 1, left: [] });
    expect(err).toContain('[cancelled]');
  });
});
