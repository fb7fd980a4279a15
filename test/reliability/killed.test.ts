/** The process ends in the middle, by a signal: what has the output's name is whole, or what was there before. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { MiB } from '../../src/binary/align.ts';
import { openImage } from '../../src/index.ts';
import { difference, diskOf } from '../support/guest-disks.ts';
import { readGuest } from '../support/memory-images.ts';
import { pause, type Started, startDiskimg, until } from '../support/processes.ts';
import { seededRandom, sha256 } from '../support/seeded-guest.ts';
import { tempFolder } from '../support/temp-folder.ts';

const path = tempFolder();
const source = path('source.raw');
const OLD = 'what was there before';

/** Seven tasks for threads, of text and of noise. */
const disk = diskOf(
  28 * MiB,
  Array.from({ length: 7 }, (_, i) => ({
    end: (i + 1) * 4 * MiB,
    kind: i % 4 === 0 ? ('noise' as const) : ('repeat' as const),
    seed: i,
  })),
).bytes;

beforeAll(() => writeFileSync(source, disk));

const cases = [
  { name: 'raw', flags: ['-O', 'raw'] },
  { name: 'vhd', flags: ['-O', 'vhd'] },
  { name: 'qcow2', flags: ['-O', 'qcow2'] },
  { name: 'compressed qcow2', flags: ['-O', 'qcow2', '-c'] },
  { name: 'zvhd', flags: ['-O', 'zvhd'] },
  { name: 'zvhd2', flags: ['-O', 'zvhd2'] },
];

/** 102 in all. */
const KILLS = 17;

/** When the process is killed: a share of the time that this stage of it takes. */
interface Moment {
  readonly stage: 'start' | 'work' | 'end';
  readonly share: number;
}

/** Milliseconds of each stage: until there is a file under construction, until all is written, until the end. */
type Stages = Record<Moment['stage'], number>;

const outputIn = (folder: string): string => join(folder, 'output');
const leftoversIn = (folder: string): string[] => readdirSync(folder).filter((name) => name !== 'output');
const convertTo = (folder: string, flags: readonly string[]): Started =>
  startDiskimg(['convert', '--reproducible', '--progress', 'json', ...flags, source, outputIn(folder)]);

const isUnderConstruction = (folder: string) => (): boolean =>
  readdirSync(folder).some((name) => name.endsWith('.partial'));
const hasWrittenAll =
  ({ errSoFar }: Started) =>
  (): boolean =>
    errSoFar().includes(`"doneBytes":${disk.length}`);
const hasEnded =
  ({ child }: Started) =>
  (): boolean =>
    child.exitCode !== null || child.signalCode !== null;

/** One conversion to its end, with a watch at hand. */
async function measured(folder: string, flags: readonly string[]): Promise<Stages> {
  const begun = performance.now();
  const started = convertTo(folder, flags);
  await until(isUnderConstruction(folder), hasEnded(started));
  const opened = performance.now();
  await until(hasWrittenAll(started), hasEnded(started));
  const written = performance.now();
  expect(await started.ended).toMatchObject({ code: 0 });
  return { start: opened - begun, work: written - opened, end: performance.now() - written };
}

/** Sends `signal` at the moment, if the process has not ended before. */
async function endAt(
  started: Started,
  folder: string,
  { stage, share }: Moment,
  stages: Stages,
  signal: NodeJS.Signals,
) {
  if (stage === 'work') await until(isUnderConstruction(folder), hasEnded(started));
  if (stage === 'end') await until(hasWrittenAll(started), hasEnded(started));
  await pause(stages[stage] * share);
  started.child.kill(signal);
  const begun = performance.now();
  return { ...(await started.ended), took: performance.now() - begun };
}

describe.each(cases)('a conversion to $name', ({ name, flags }) => {
  const folder = path(name);
  let stages: Stages;
  let whole: string;

  beforeAll(async () => {
    mkdirSync(folder);
    stages = await measured(folder, flags);
    whole = sha256(readFileSync(outputIn(folder)));
    await using image = await openImage(outputIn(folder));
    expect(difference(await readGuest(image, 0, disk.length), disk)).toBeUndefined();
    rmSync(outputIn(folder));
  });

  const stateOf = (file: string): 'absent' | 'old' | 'whole' | 'broken' => {
    if (!readdirSync(join(file, '..')).includes('output')) return 'absent';
    const bytes = readFileSync(file);
    if (bytes.length === OLD.length && bytes.toString() === OLD) return 'old';
    return sha256(bytes) === whole ? 'whole' : 'broken';
  };

  it(`that is killed at any of ${KILLS} moments leaves nothing, the old file, or the whole new one`, async () => {
    const random = seededRandom(1);
    const seen = { absent: 0, old: 0, whole: 0, broken: 0, partial: 0 };
    async function killAll(lane: number): Promise<void> {
      const own = join(folder, `lane ${lane}`);
      for (let kill = lane; kill < KILLS; kill += 2) {
        mkdirSync(own);
        const before = kill % 3 === 0 ? 'old' : 'absent';
        if (before === 'old') writeFileSync(outputIn(own), OLD);
        const stage = (['start', 'work', 'end', 'work', 'end'] as const)[kill % 5] as Moment['stage'];
        const share = (random() % 1000) / 1000;
        const { signal } = await endAt(convertTo(own, flags), own, { stage, share }, stages, 'SIGKILL');
        const state = stateOf(outputIn(own));
        seen[state] += 1;
        seen.partial += leftoversIn(own).length;
        expect(['whole', before], `kill ${kill}, ${stage} ${share}, ${signal}`).toContain(state);
        for (const left of leftoversIn(own)) expect(left).toMatch(/^\.output\.[0-9a-f]{8}\.partial$/);
        if (kill + 2 < KILLS) rmSync(own, { recursive: true });
      }
      // What a killed one left is in nobody's way.
      const { code, err } = await convertTo(own, flags).ended;
      expect({ code, state: stateOf(outputIn(own)) }, err).toEqual({ code: 0, state: 'whole' });
      rmSync(own, { recursive: true });
    }
    await Promise.all([killAll(0), killAll(1)]);
    expect(seen.partial).toBeGreaterThan(0);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('that gets %s leaves nothing, and soon', async (name) => {
    const own = join(folder, name);
    mkdirSync(own);
    for (const moment of [
      { stage: 'start', share: 0.5 },
      { stage: 'work', share: 0.3 },
      { stage: 'end', share: 0.1 },
    ] as const) {
      writeFileSync(outputIn(own), OLD);
      const { code, signal, err, took } = await endAt(convertTo(own, flags), own, moment, stages, name);
      const state = stateOf(outputIn(own));
      expect(leftoversIn(own), err).toEqual([]);
      // Before the program is loaded, and when it is done, the signal ends the process.
      if (code === null)
        expect({ signal, state }).toEqual({ signal: name, state: expect.not.stringMatching('broken') });
      else
        expect({ code, state }, err).toEqual(
          code === 0 ? { code, state: 'whole' } : { code: 1, state: 'old' },
        );
      if (code === 1) expect(err).toContain('[cancelled]');
      expect(took).toBeLessThan(5000);
    }
  });
});
