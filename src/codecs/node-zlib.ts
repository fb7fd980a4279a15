/** node:zlib, which takes a thread some milliseconds to load: it is loaded when something is first packed or unpacked. */

import { createRequire } from 'node:module';

type Zlib = typeof import('node:zlib');

let loaded: Zlib | undefined;

export function nodeZlib(): Zlib {
  loaded ??= createRequire(import.meta.url)('node:zlib') as Zlib;
  return loaded;
}
