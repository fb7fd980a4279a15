/**
 * The sources as the few files that users run: programs and threads of tests start from them in two thirds of the time. Made
 * anew before each run of the tests.
 */

import { fileURLToPath } from 'node:url';
import { program } from '../../.rolldown.ts';

const folder = new URL('../../.test-bundle/', import.meta.url);

/** Addresses of the program and of its threads. */
export const bundled = { bin: new URL('bin.cjs', folder), worker: new URL('worker.cjs', folder) };

/** For vitest. */
export async function setup(): Promise<void> {
  const { build } = await import('rolldown'); // of no use to the tests themselves
  await build({ ...program, output: { ...program.output, dir: fileURLToPath(folder) } });
}

/** Threads of the sources that tests import are those of the bundle, too. */
export const threadsOfBundle = {
  name: 'threads-of-bundle',
  transform: (code: string, id: string): string | undefined =>
    id.endsWith('/src/workers/pool.ts')
      ? code.replace("'./worker.ts'", JSON.stringify(bundled.worker.href))
      : undefined,
};
