import { describe, expect, it } from 'vitest';
import { barView, duration, jsonView, linesView, progressLine } from '../../src/cli/progress.ts';
import { humanSize } from '../../src/cli/render.ts';

const MiB = 1024 * 1024;
const at = (done: number) => ({ doneBytes: done * MiB, totalBytes: 400 * MiB, writtenBytes: done * MiB });

describe('progress', () => {
  it('shows share, rate and time left', () => {
    expect(progressLine(at(100), 2000, 80)).toMatch(/^\[=+ +] {2}25 % {2}50 MiB\/s {2}6 s left$/);
  });

  it.each([0, 10, 30, 60, 200])('fits into %i columns', (columns) => {
    expect(progressLine(at(399), 1000, columns).length).toBeLessThan(Math.max(1, columns));
  });

  it('is finished for a disk of no bytes', () => {
    expect(progressLine({ doneBytes: 0, totalBytes: 0 }, 1, 80)).toContain('100 %');
  });

  it('draws over its line some times a second, and clears it', () => {
    let now = 0;
    const printed: string[] = [];
    const view = barView(
      (text) => printed.push(text),
      80,
      () => now,
    );
    for (now = 0; now < 1000; now += 10) view.update(at(now / 10));
    view.end();
    expect(printed.length).toBe(11);
    expect(printed.every((text) => text.startsWith('\r\x1b[K'))).toBe(true);
    expect(printed.at(-1)).toBe('\r\x1b[K');
  });

  it('prints a line for every tenth', () => {
    const printed: string[] = [];
    const view = linesView((text) => printed.push(text));
    for (let done = 0; done <= 400; done += 7) view.update(at(done));
    view.update(at(400));
    expect(printed).toEqual([...Array(10).keys()].map((tenth) => `${(tenth + 1) * 10} %\n`));
  });

  it('prints JSON events, the last one always', () => {
    const printed: string[] = [];
    const view = jsonView(
      (text) => printed.push(text),
      () => 5,
    );
    view.update(at(1));
    view.update(at(2));
    view.update(at(400));
    const events = printed.map((line) => JSON.parse(line));
    expect(events.map(({ event, doneBytes }) => [event, doneBytes / MiB])).toEqual([
      ['progress', 1],
      ['progress', 400],
    ]);
  });

  it.each([
    [7, '7 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 5 min'],
  ])('%i seconds', (seconds, text) => expect(duration(seconds)).toBe(text));

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [65536, '64 KiB'],
    [1572864, '1.5 MiB'],
    [2199023255552, '2 TiB'],
  ])('%i bytes', (bytes, text) => expect(humanSize(bytes)).toBe(text));
});
