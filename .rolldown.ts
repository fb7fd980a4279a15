/**
 * How the sources become what is published, and what tests start.
 *
 * The library is of ES modules. The program and the threads are CommonJS, which Node starts sooner: for an ES module that imports
 * one function of `node:http` it loads all that `node:http` could ever need. They hold `commander`, for the same reason.
 */

import { fileURLToPath } from 'node:url';
import type { RolldownOptions } from 'rolldown';

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

const common = {
  platform: 'node',
  external: ['piscina', 'koffi', 'xz-decompress', 'unbzip2-stream'],
  logLevel: 'warn',
} as const satisfies RolldownOptions;

export const library = {
  ...common,
  input: { index: source('index.ts') },
  output: { dir: 'dist' },
} as const satisfies RolldownOptions;

export const program = {
  ...common,
  input: { bin: source('cli/bin.ts'), worker: source('workers/worker.ts') },
  output: {
    dir: 'dist',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    // Names and lines of code stay as they are; comments are not worth the reading.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  },
} as const satisfies RolldownOptions;

export default [library, program];
