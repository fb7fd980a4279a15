/**
 * The sources as the few files that users run: programs and threads of tests start from them in two thirds of the time. Made
 * anew before each run of the tests.
 */

import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);
const folder = new URL('.test-bundle/', root);

/** Addresses of the program and of its threads. */
export const bundled = { bin: new URL('bin.js', folder), worker: new URL('worker.js', folder) };

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, root));

/** For vitest. */
export async function setup(): Promise<void> {
  const { build } = await import('rolldown'); // of no use to the tests themselves
  await build({
    input: { index: source('index.ts'), bin: source('cli/bin.ts'), worker: source('workers/worker.ts') },
    platform: 'node',
    external: ['piscina', 'commander', 'koffi', 'xz-decompress', 'unbzip2-stream'],
    output: { dir: fileURLToPath(folder) },
    logLevel: 'warn',
  });
}

/** Threads of the sources that tests import are those of the bundle, too. */
export const threadsOfBundle = {
  name: 'threads-of-bundle',
  transform: (code: string, id: string): string | undefined =>
    id.endsWith('/src/workers/pool.ts')
      ? code.replace("'./worker.ts'", JSON.stringify(bundled.worker.href))
      : undefined,
};
