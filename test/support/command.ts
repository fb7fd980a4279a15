/** Runs the command line in this process and collects what it prints. */

import type { ProcessIo } from '../../src/cli/io.ts';
import { run } from '../../src/cli/run.ts';

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function diskimg(argv: readonly string[], io: Partial<ProcessIo> = {}): Promise<CommandResult> {
  let out = '';
  let err = '';
  const code = await run(argv, {
    stdin: undefined,
    out: (text) => {
      out += text;
    },
    // Bytes are printed as characters of the same number.
    write: async (bytes) => {
      out += Buffer.from(bytes).toString('latin1');
      return true;
    },
    err: (text) => {
      err += text;
    },
    isTerminal: false,
    isOutputTerminal: false,
    columns: 80,
    env: {},
    signal: new AbortController().signal,
    ...io,
  });
  return { code, out, err };
}
