/**
 * Takes one figure of an upload in a process of its own, and prints it as JSON:
 * `node figure.ts --library dist/index.js KIND -f FORMAT -O FORMAT [-c] [--scan] SOURCE`
 */

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  differingParts,
  firstByte,
  type Library,
  madeParts,
  peakMemory,
  peakOfThreads,
  type Taking,
} from './figures.ts';

const kinds: Readonly<Record<string, (taking: Taking) => Promise<number>>> = {
  parts: madeParts,
  'first-byte': firstByte,
  memory: peakMemory,
  threads: peakOfThreads,
  twice: differingParts,
  // Loads the client of the store, which the others do without.
  failing: async (taking) => (await import('./failing-requests.ts')).failingRequests(taking),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    library: { type: 'string' },
    f: { type: 'string', short: 'f' },
    O: { type: 'string', short: 'O' },
    c: { type: 'boolean', short: 'c' },
    scan: { type: 'boolean' },
    started: { type: 'string' },
  },
});
const [kind = '', source = ''] = positionals;
const take = kinds[kind];
if (take === undefined || values.library === undefined) throw new TypeError(`there is no figure '${kind}'`);
const library: Library = await import(pathToFileURL(resolve(values.library)).href);
const value = await take({
  library,
  source,
  // Milliseconds since 1970; without it from where this process knows of itself.
  started: values.started === undefined ? performance.timeOrigin : Number(values.started),
  // Names are looked up, and options checked, by the library.
  options: {
    format: values.O,
    options: values.c ? { compress: true } : {},
    input: { format: values.f },
    ...(values.scan && { scan: 'data' }),
  } as Taking['options'],
});
console.log(JSON.stringify({ value }));
