import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Every thread and every program that a test starts loads the TypeScript sources: with what Node has made of them before,
// that takes half the time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url));

export default defineConfig({
  test: {
    root: '.',
    include: ['test/**/*.test.ts'],
    // Conversions start threads of their own: two files at a time keep two cores busy.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // .ci/run reads its closing line from the report.
    reporters: process.env.CI ? ['default', 'json'] : ['default'],
    outputFile: { json: '.test-results.json' },
  },
});
