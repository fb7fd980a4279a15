/**
 * Programs, started by a small process of its own: whoever starts one is copied first, with all its page tables, and those
 * of a process that runs tests are large.
 */

import { type ChildProcess, execFile, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Exit {
  /** The exit code, or the system's code of what kept the program from starting. */
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

interface Order {
  readonly id: number;
  readonly file: string;
  readonly args: readonly string[];
}

const self = fileURLToPath(import.meta.url);
const waiting = new Map<number, (exit: Exit) => void>();
let launcher: ChildProcess | undefined;
let orders = 0;

function openLauncher(): ChildProcess {
  const child = fork(self, { execArgv: [], env: { ...process.env, LAUNCHER: '1' } });
  child.on('message', ({ id, exit }: { id: number; exit: Exit }) => {
    waiting.get(id)?.(exit);
    waiting.delete(id);
    if (waiting.size === 0) child.channel?.unref();
  });
  child.unref();
  return child;
}

/** Runs a program to its end. */
export function launch(file: string, args: readonly string[]): Promise<Exit> {
  launcher ??= openLauncher();
  const order: Order = { id: ++orders, file, args };
  const ended = new Promise<Exit>((resolve) => waiting.set(order.id, resolve));
  launcher.channel?.ref();
  launcher.send(order);
  return ended;
}

if (process.env.LAUNCHER && process.argv[1] === self) {
  process.on('message', ({ id, file, args }: Order) => {
    execFile(file, args, { maxBuffer: 64 * 1024 * 1024 }, (error, out, err) => {
      process.send?.({ id, exit: { code: error?.code ?? (error ? 'killed' : 0), out, err } });
    });
  });
}
