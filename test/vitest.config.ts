import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { threadsOfBundle } from './support/bundle.ts';

// Every thread and every program that a test starts loads a bundle of the sources: with what Node has made of it before, that
// takes half the time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url));

/** Tests that leave nothing behind in their process: its runners are kept, and so are the sources that they have loaded. */
const sharing = [
  ...[
    'archive',
    'binary',
    'codecs',
    'contracts',
    'conversion',
    'encryption',
    'formats',
    'image',
    'inspect',
    'preflight',
  ],
  ...['prepared', 'profiles', 'scan'],
].map((room) => `test/${room}/**/*.test.ts`);

export default defineConfig({
  plugins: [threadsOfBundle],
  test: {
    root: '.',
    globalSetup: 'test/support/bundle.ts',
    // Conversions start threads of their own: two files at a time keep two cores busy; three take as long.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'sharing', include: sharing, isolate: false } },
      { extends: true, test: { name: 'alone', include: ['test/**/*.test.ts'], exclude: sharing } },
    ],
    // .ci/run reads its closing line from the report.
    reporters: process.env.CI ? ['default', 'json'] : ['default'],
    outputFile: { json: '.test-results.json' },
  },
});
