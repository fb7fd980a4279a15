/** Runs one command line and returns the exit code: 0, or 1 when it could not be done. */

import { CommanderError } from 'commander';
import type { CliIo } from './io.ts';
import { createProgram } from './program.ts';
import { renderError } from './render-error.ts';

export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  try {
    await createProgram(io).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    io.err(renderError(error, { verbose: argv.includes('--verbose') }));
    return 1;
  }
}
