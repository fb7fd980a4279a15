/**
 * Compiles the sources in AssemblyScript to a module of TypeScript that has the WebAssembly in it: `npm run assembly`. What it
 * makes is kept beside them, so that nothing has to be compiled before the sources run.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** What is made. */
export const compiledFile = path('src/codecs/deflate-encoder/wasm.ts');

const options = [
  // No memory but the one whose places the sources set out, and no collector.
  ...['--runtime', 'stub', '--memoryBase', '0', '--initialMemory', '6'],
  ...['-O3', '--noAssert', '--converge', '--enable', 'bulk-memory'],
];

/** The text of {@link compiledFile}. */
export function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'assembly-'));
  const [compiler, source] = [
    'node_modules/assemblyscript/bin/asc.js',
    'src/codecs/deflate-encoder/assembly/index.ts',
  ];
  try {
    const binary = join(folder, 'module.wasm');
    execFileSync(process.execPath, [path(compiler), path(source), '--outFile', binary, ...options]);
    return [
      '/** Made from `assembly/` by `npm run assembly`: WebAssembly, in base64. */',
      `export const WASM =\n  '${readFileSync(binary, 'base64')}';\n`,
    ].join('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(compiledFile, compile());
