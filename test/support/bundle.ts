/**
 * The sources as the few files that users run: programs and threads of tests start from them in two thirds of the time. Made
 * anew before each run of the tests.
 */

import { fileURLToPath } from 'node:url';
import { library, program } from '../../.rolldown.ts';

const folder = new URL('../../.test-bundle/', import.meta.url);

/** Addresses of the program and of its threads. */
export const bundled = { bin: new URL('bin.cjs', folder), worker: new URL('worker.cjs', folder) };

/**
 * The library for a process that Node starts by itself. Threads of the sources are ES modules, which piscina loads with `require`:
 * Node aborts when it ends a thread in the middle of that.
 */
export const bundledLibrary = (): Promise<typeof import('../../src/index.ts')> =>
  import(new URL('index.js', folder).href);

/** For vitest. */
export async function setup(): Promise<void> {
  const { build } = await import('rolldown'); // of no use to the tests themselves
  const dir = fileURLToPath(folder);
  for (const options of [library, program]) await build({ ...options, output: { ...options.output, dir } });
}

/** Threads of the sources that tests import are those of the bundle, too. */
export const threadsOfBundle = {
  name: 'threads-of-bundle',
  transform: (code: string, id: string): string | undefined =>
    id.endsWith('/src/workers/pool.ts')
      ? code.replace("'./worker.ts'", JSON.stringify(bundled.worker.href))
      : undefined,
};
