/**
 * Loaded before everything else by a process and by each of its threads (`node --import`): lets a thread crash at one
 * of its calls to the system, as CRASH in the environment says: `HOW CALL NUMBER`.
 */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const crashes: Readonly<Record<string, () => void>> = {
  exits: () => process.exit(3),
  throws: () => void setImmediate(fail),
  rejects: () => void Promise.reject(new Error('on purpose')),
  // Nothing that a thread can do about this one: it waits for a lock that nobody opens.
  hangs: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
};

function fail(): never {
  throw new Error('on purpose');
}

const [how = '', call = '', number = ''] = (process.env.CRASH ?? '').split(' ');
const crash = crashes[how];

if (!isMainThread && crash !== undefined) {
  const original = fs[call as 'readSync'] as (...args: unknown[]) => unknown;
  let calls = 0;
  const crashing = (...args: unknown[]): unknown => {
    calls += 1;
    if (calls === Number(number)) crash();
    return original(...args);
  };
  Object.assign(fs, { [call]: crashing });
  syncBuiltinESMExports();
}
