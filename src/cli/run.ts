/** Runs one command line and returns the exit code: 0, or 1 when it could not be done, or what the command says. */

import { CommanderError } from 'commander';
import type { ProcessIo } from './io.ts';
import { createProgram } from './program.ts';
import { renderError } from './render-error.ts';

export async function run(argv: readonly string[], io: ProcessIo): Promise<number> {
  let exitCode: number | undefined;
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  try {
    const program = await createProgram({ ...io, setExitCode }, argv[0]);
    await program.parseAsync(argv, { from: 'user' });
    return exitCode ?? 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : (exitCode ?? 1);
    io.err(renderError(error, { verbose: argv.includes('--verbose') }));
    return exitCode ?? 1;
  }
}
