/** Who may import whom, as the design has it. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../src/', import.meta.url));

interface Module {
  /** Path below src/, with forward slashes. */
  readonly path: string;
  /** Modules below src/ that it imports, types included. */
  readonly imports: readonly string[];
  /** Everything else that it imports. */
  readonly packages: readonly string[];
  readonly text: string;
}

const modules: readonly Module[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readModule(path.split(sep).join('/')));

function readModule(path: string): Module {
  const text = readFileSync(join(root, path), 'utf8');
  const specifiers = [...text.matchAll(/(?:^|\s)(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    (match) => match[1] as string,
  );
  const isOurs = (specifier: string) => specifier.startsWith('.');
  const target = (specifier: string) => posix.join(dirname(path), specifier);
  return {
    path,
    text,
    imports: specifiers
      .filter(isOurs)
      .map(target)
      .filter((module) => module !== '../package.json'),
    packages: specifiers.filter((specifier) => !isOurs(specifier)),
  };
}

/** Rooms, and the rooms whose modules each may import beside its own. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  binary: ['errors'],
  codecs: ['errors'],
  encryption: ['errors', 'binary'],
  io: ['errors'],
  archive: ['errors', 'binary', 'io'],
  image: ['errors', 'binary', 'codecs', 'io'],
  'formats/zvhd-stream': ['errors', 'binary', 'io', 'image'],
  'formats/*': ['errors', 'binary', 'codecs', 'encryption', 'io', 'image', 'formats/zvhd-stream'],
  formats: ['errors', 'image', 'formats/*'],
  conversion: ['errors', 'binary', 'codecs', 'io', 'image'],
  scan: ['errors', 'binary', 'io', 'image', 'conversion'],
  prepared: ['errors', 'binary', 'codecs', 'io', 'image', 'formats', 'conversion'],
  upload: ['errors', 'binary', 'io', 'prepared'],
  inspect: ['errors', 'binary', 'codecs', 'io', 'image'],
  profiles: [],
  preflight: ['errors', 'binary', 'image', 'inspect', 'profiles'],
  workers: ['errors', 'binary', 'io', 'image', 'formats', 'conversion', 'scan', 'prepared'],
  verbs: [
    'errors',
    'binary',
    'codecs',
    'encryption',
    'io',
    'archive',
    'image',
    'formats',
    'conversion',
    'scan',
    'prepared',
    'upload',
    'inspect',
    'profiles',
    'preflight',
    'workers',
  ],
  index: [
    'verbs',
    'errors',
    'codecs',
    'io',
    'archive',
    'image',
    'formats',
    'conversion',
    'scan',
    'prepared',
    'upload',
    'inspect',
    'profiles',
    'preflight',
  ],
  cli: ['index'],
};

function roomOf(path: string): string {
  const [first = '', second = ''] = path.split('/');
  if (path === 'index.ts' || path === 'errors.ts') return first.replace('.ts', '');
  if (first === 'formats' && second === 'zvhd-stream') return 'formats/zvhd-stream';
  if (first === 'formats') return second === 'index.ts' ? 'formats' : 'formats/*';
  return first.endsWith('.ts') ? 'verbs' : first;
}

const formatOf = (path: string): string => path.split('/')[1] ?? '';

describe('the house', () => {
  it('has found its modules', () => {
    expect(modules.length).toBeGreaterThan(50);
    const rooms = modules.map(({ path }) => roomOf(path));
    expect(Object.keys(mayImport)).toEqual(expect.arrayContaining(rooms));
  });

  it('imports only from the rooms below', () => {
    const upward = modules.flatMap(({ path, imports }) => {
      const room = roomOf(path);
      const allowed = new Set([room, ...(mayImport[room] ?? [])]);
      return imports.filter((target) => !allowed.has(roomOf(target))).map((target) => `${path} → ${target}`);
    });
    expect(upward).toEqual([]);
  });

  it('no format imports another', () => {
    const crossing = modules
      .filter(({ path }) => roomOf(path) === 'formats/*')
      .flatMap(({ path, imports }) =>
        imports
          .filter((target) => roomOf(target) === 'formats/*' && formatOf(target) !== formatOf(path))
          .map((target) => `${path} → ${target}`),
      );
    expect(crossing).toEqual([]);
  });

  it('has no cycles, type imports included', () => {
    const graph = new Map(modules.map(({ path, imports }) => [path, imports]));
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'open') cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (state.has(path)) return;
      state.set(path, 'open');
      for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
      state.set(path, 'done');
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });
});

describe('what only some rooms may touch', () => {
  const only = (packages: readonly string[], allowed: RegExp): string[] =>
    modules
      .filter(
        (module) => module.packages.some((name) => packages.includes(name)) && !allowed.test(module.path),
      )
      .map(({ path }) => path);

  it('files: only io/file-*', () => {
    expect(only(['node:fs', 'node:fs/promises'], /^io\/file-/)).toEqual([]);
  });

  it('threads: only workers/', () => {
    expect(only(['node:worker_threads', 'piscina'], /^workers\//)).toEqual([]);
  });

  it('the network: only io/http-*, and not before it is asked for', () => {
    const network = ['node:http', 'node:https', 'node:net', 'node:tls'];
    expect(only(network, /^io\/http-/)).toEqual([]);
    // An ES module that imports node:http takes longer to load than all others together.
    const eager = modules.filter(
      ({ path, text }) =>
        !path.startsWith('io/') &&
        /^(import|export) (?!type)[^;]*http-(source|client|server|connection)\.ts'/m.test(code(text)),
    );
    expect(eager.map(({ path }) => path)).toEqual([]);
    const fetches = modules.filter(
      ({ path, text }) => !path.startsWith('io/http-') && /\bfetch\(/.test(code(text)),
    );
    expect(fetches.map(({ path }) => path)).toEqual([]);
  });

  it('compression: only codecs/', () => {
    expect(only(['node:zlib'], /^codecs\//)).toEqual([]);
  });

  it('native calls: only io/file-holes', () => {
    const users = modules.filter(({ text }) => /['"]koffi['"]/.test(text)).map(({ path }) => path);
    expect(users).toEqual(['io/file-holes.ts']);
  });

  it('modules that are loaded late, past the rules above: each by one file', () => {
    const users = modules.filter(({ text }) => /\bcreateRequire\(/.test(code(text)));
    expect(users.map(({ path }) => path).sort()).toEqual([
      'binary/node-crypto.ts',
      'codecs/node-zlib.ts',
      'io/file-holes.ts',
    ]);
  });

  it('the process: only cli/', () => {
    const users = modules.filter(
      ({ path, text }) => !path.startsWith('cli/') && /\bprocess\.\w/.test(code(text)),
    );
    expect(users.map(({ path }) => path)).toEqual([]);
  });

  it('clock and chance: only the verbs and cli/', () => {
    const calls = /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\brandom(?:UUID|Bytes)\(/;
    const users = modules.filter(
      ({ path, text }) => path.includes('/') && !path.startsWith('cli/') && calls.test(code(text)),
    );
    expect(users.map(({ path }) => path)).toEqual([]);
  });

  it('no drawer without a name', () => {
    expect(modules.filter(({ path }) => /(^|\/)(utils?|misc|common|helpers?)(\.ts|\/)/.test(path))).toEqual(
      [],
    );
  });

  it('no module is longer than 400 lines', () => {
    const long = modules.filter(({ text }) => text.split('\n').length > 400).map(({ path }) => path);
    expect(long).toEqual([]);
  });
});

/** The text without comments. */
const code = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');

it('looks at the sources beside it', () => {
  expect(relative(fileURLToPath(new URL('..', import.meta.url)), root)).toBe('src');
});
