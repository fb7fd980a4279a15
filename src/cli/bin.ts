#!/usr/bin/env node
/** The `diskimg` command: the process around `run`. Loads nothing that an older Node cannot load. */

import module from 'node:module';

/** The first Node with zstd. */
const NEEDED = [22, 15] as const;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(`diskimg: Node ${NEEDED.join('.')} or later is needed; this is ${process.version}.\n`);
  process.exitCode = 1;
} else {
  module.enableCompileCache();
  void start();
}

async function start(): Promise<void> {
  // Imported behind the cache, which then holds everything that the command loads.
  const { abortOnSignals, processIo } = await import('./process-io.ts');
  const { run } = await import('./run.ts');
  process.exitCode = await run(process.argv.slice(2), processIo(abortOnSignals()));
}
