/**
 * Many conversions in one process, in stretches of as many each; prints what it holds before the first and behind each
 * as JSON. Needs `node --expose-gc`.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConvertOptions, FormatName } from '../../src/index.ts';
import { bundledLibrary } from './bundle.ts';
import { liveThreads, openFiles } from './faults.ts';
import { seededGuest } from './seeded-guest.ts';

export interface Holdings {
  /** Bytes of the process that are in memory, its allocators' reserves included. */
  readonly rss: number;
  /** Bytes that JavaScript can reach, in its heap and outside of it. */
  readonly reachable: number;
  readonly files: number;
  readonly threads: number;
}

const FORMATS: readonly FormatName[] = ['raw', 'vhd', 'qcow2', 'zvhd', 'zvhd2'];

const { convert } = await bundledLibrary();
const [folder = '', stretches = '0', count = '0', threaded = '0'] = process.argv.slice(2);
const small = join(folder, 'small');
const large = join(folder, 'large');
writeFileSync(small, seededGuest(300_000, 1));
writeFileSync(large, new Uint8Array(20 * 1024 * 1024).fill(7));

async function convertTo(format: FormatName, source: string): Promise<void> {
  const there = join(folder, `to ${format}`);
  const raw = { input: { format: 'raw' }, flush: false } as const;
  await convert(source, there, { format, threads: 2, ...raw } as ConvertOptions);
  await convert(there, join(folder, 'back'), { format: 'raw', threads: 2, input: { format }, flush: false });
}

async function round(conversions: number, onThreads: number): Promise<void> {
  for (let i = 0; i < conversions / 2; i++) await convertTo(FORMATS[i % 5] as FormatName, small);
  for (let i = 0; i < onThreads / 2; i++) await convertTo(FORMATS[i % 5] as FormatName, large);
}

function holdings(): Holdings {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, reachable: heapUsed + external, files: openFiles(), threads: liveThreads() };
}

const held: Holdings[] = [];
for (let stretch = 0; stretch <= Number(stretches); stretch++) {
  await round(Number(count), Number(threaded));
  held.push(holdings());
}
process.stdout.write(JSON.stringify(held));
