/** The real process as the command line sees it. */

import { CancelledError, ImageIoError } from '../index.ts';
import type { ProcessIo } from './io.ts';

export function processIo(signal: AbortSignal): ProcessIo {
  /** Those that `write` has told of. */
  const told = new WeakSet<Error>();
  process.stdout.on('error', (error) => {
    if (!isGone(error) && !told.has(error)) throw error;
  });
  return {
    // Asked for only when it is read: a process whose input is open would wait for it.
    get stdin() {
      return process.stdin.isTTY ? undefined : process.stdin;
    },
    out: (text) => void process.stdout.write(text),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        process.stdout.write(bytes, (error) => {
          if (error && !isGone(error)) {
            told.add(error);
            reject(
              new ImageIoError('write-failed', `Output cannot be written: ${error.message}.`, {
                cause: error,
              }),
            );
          } else {
            resolve(!error);
          }
        });
      }),
    err: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
    isOutputTerminal: process.stdout.isTTY === true,
    ...(process.stdin.isTTY && process.stderr.isTTY && { askSecret }),
    columns: process.stderr.columns ?? 80,
    env: process.env,
    signal,
  };
}

const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';
const ERASE = /[\b\u007f]/;

/** Reads a line from the terminal without showing it. @throws CancelledError when the person interrupts */
async function askSecret(question: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  try {
    let typed = '';
    for await (const text of stdin.iterator({ destroyOnReturn: false })) {
      for (const character of text as string) {
        if (ENTER.test(character)) return typed;
        if (character === INTERRUPT) throw new CancelledError();
        typed = ERASE.test(character) ? [...typed].slice(0, -1).join('') : typed + character;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}

/** A reader that goes away (`| head`) is not an error of ours. */
const isGone = ({ code }: NodeJS.ErrnoException): boolean =>
  code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';

/** Aborted by the first signal that asks to stop; a second one ends the process at once. */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => controller.abort(new Error(`The process got ${name}.`)));
  }
  return controller.signal;
}
