#!/usr/bin/env node
/** The `diskimg` command: the process around {@link run}. */

import { enableCompileCache } from 'node:module';
import { abortOnSignals, processIo } from './process-io.ts';

enableCompileCache();
// Imported behind the cache, which then holds everything that the command loads.
const { run } = await import('./run.ts');
process.exitCode = await run(process.argv.slice(2), processIo(abortOnSignals()));
