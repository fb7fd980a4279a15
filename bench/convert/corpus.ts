/**
 * The corpus: every disk and image that cases read, made once and kept. A manifest holds the digest of each; a file
 * that is not what the manifest says is made again.
 */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { GiB, MiB } from '../../src/binary/align.ts';
import type { Scale } from '../options.ts';
import { SCALE_SIZES } from './cases.ts';
import { commandWords, filesIn, type Programs } from './command.ts';
import { canMakeFilesystems, writeDisk } from './disk-image.ts';
import { contentDigest } from './file-data.ts';
import { writeFill, writeQuarter, writeSparse } from './fills.ts';

/** Part of every recipe: raise it when the same recipe makes other bytes. */
const VERSION = 1;
const SEED = 20_240_229;

const sizes: Record<Scale, { readonly disk: number; readonly fill: number }> = {
  full: { disk: 4 * GiB, fill: GiB },
  quick: { disk: 320 * MiB, fill: 128 * MiB },
  tiny: { disk: 64 * MiB, fill: 16 * MiB },
};

/** Free space that a corpus and the outputs need, in sizes of its disk. */
const SPACE_IN_DISKS = 12;

interface Recipe {
  /** Says all that the bytes depend on, beside the files in {@link Recipe.from}. */
  readonly text: string;
  readonly from: readonly string[];
  make(path: string): void;
}

export interface CorpusFile {
  readonly path: string;
  readonly recipe: string;
  readonly size: number;
  /** Of the content; see {@link contentDigest}. */
  readonly digest: string;
}

/** Derived images. Disks are made by qemu-img with its default flags where it can write the format. */
const derived: Readonly<Record<string, string>> = {
  'disk.qcow2': 'qemu-img convert -f raw -O qcow2 {disk.raw} {self}',
  'disk-zlib.qcow2': 'qemu-img convert -f raw -O qcow2 -c {disk.raw} {self}',
  'disk-zstd.qcow2': 'qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd {disk.raw} {self}',
  'disk.vhd': 'qemu-img convert -f raw -O vpc -o subformat=dynamic,force_size=on {disk.raw} {self}',
  'disk.vhdx': 'qemu-img convert -f raw -O vhdx {disk.raw} {self}',
  'disk.vmdk': 'qemu-img convert -f raw -O vmdk {disk.raw} {self}',
  'disk-stream.vmdk': 'qemu-img convert -f raw -O vmdk -o subformat=streamOptimized {disk.raw} {self}',
  'disk-luks.qcow2':
    'qemu-img convert --object secret,id=key,data=bench -f raw -O qcow2 -o encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=100 {disk.raw} {self}',
  'disk.zvhd': 'diskimg convert -f raw -O zvhd -q {disk.raw} {self}',
  'disk.zvhd2': 'diskimg convert -f raw -O zvhd2 -q {disk.raw} {self}',
};

export interface Corpus {
  readonly folder: string;
  /** The file of that name, made or checked first; `say` tells what takes long. */
  file(name: string, say: (text: string) => void): Promise<CorpusFile>;
}

export function openCorpus(root: string, scale: Scale, programs: Programs): Corpus {
  const folder = join(root, scale);
  mkdirSync(folder, { recursive: true });
  requireSpace(folder, sizes[scale].disk * SPACE_IN_DISKS);
  const recipes = recipesFor(scale, programs, (name) => join(folder, name));
  const manifestPath = join(folder, 'manifest.json');
  const manifest: Record<string, Omit<CorpusFile, 'path'>> = existsSync(manifestPath)
    ? JSON.parse(readFileSync(manifestPath, 'utf8'))
    : {};
  const ready = new Map<string, CorpusFile>();

  async function file(name: string, say: (text: string) => void): Promise<CorpusFile> {
    const known = ready.get(name);
    if (known) return known;
    const recipe = recipes[name];
    if (!recipe) throw new Error(`the corpus has no file ${name}`);
    const origins: CorpusFile[] = [];
    for (const origin of recipe.from) origins.push(await file(origin, say));
    const text = [`v${VERSION} ${recipe.text}`, ...origins.map(({ digest }) => digest)].join(' < ');
    const path = join(folder, name);
    const found = await checked(path, text, manifest[name]);
    const made = found ?? (await make(path, text, recipe, say));
    manifest[name] = { recipe: made.recipe, size: made.size, digest: made.digest };
    writeFileSync(manifestPath, `${JSON.stringify(manifest, undefined, 2)}\n`);
    ready.set(name, made);
    return made;
  }
  return { folder, file };
}

/** The file, when it is made by that recipe and is what it was then. */
async function checked(
  path: string,
  recipe: string,
  entry: Omit<CorpusFile, 'path'> | undefined,
): Promise<CorpusFile | undefined> {
  if (entry?.recipe !== recipe || !existsSync(path) || statSync(path).size !== entry.size) return undefined;
  return (await contentDigest(path)) === entry.digest ? { path, ...entry } : undefined;
}

async function make(
  path: string,
  text: string,
  recipe: Recipe,
  say: (text: string) => void,
): Promise<CorpusFile> {
  say(`making ${path}`);
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  recipe.make(partial);
  renameSync(partial, path);
  return { path, recipe: text, size: statSync(path).size, digest: await contentDigest(path) };
}

function recipesFor(
  scale: Scale,
  programs: Programs,
  pathOf: (name: string) => string,
): Record<string, Recipe> {
  const { disk, fill } = sizes[scale];
  const recipes: Record<string, Recipe> = {
    'disk.raw': {
      text: `${canMakeFilesystems() ? 'ext4 with files' : 'synthetic'}, ${disk} bytes, seed ${SEED}`,
      from: [],
      make: (path) => writeDisk(path, disk, SEED),
    },
    // Of disk-luks.qcow2.
    passphrase: { text: 'bench', from: [], make: (path) => writeFileSync(path, 'bench') },
    'sparse.raw': {
      text: `nearly empty, seed ${SEED}`,
      from: [],
      make: (path) => writeSparse(path, SEED),
    },
  };
  for (const percent of [0, 50, 100]) {
    recipes[`fill-${percent}.raw`] = {
      text: `${percent} % of ${fill} bytes, seed ${SEED}`,
      from: [],
      make: (path) => writeFill(path, fill, percent, SEED),
    };
  }
  for (const size of SCALE_SIZES) {
    recipes[`scale-${size}.raw`] = {
      text: `a quarter of ${size} GiB, sparse, seed ${SEED}`,
      from: [],
      make: (path) => writeQuarter(path, size * GiB, SEED),
    };
  }
  for (const [name, command] of Object.entries(derived)) {
    recipes[name] = {
      text: command,
      from: filesIn(command).filter((file) => file !== 'self'),
      make: (self) => run(commandWords(command, programs, (file) => (file === 'self' ? self : pathOf(file)))),
    };
  }
  return recipes;
}

function run(words: readonly string[]): void {
  const [program, ...args] = words as [string, ...string[]];
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${words.join(' ')} failed: ${error?.message ?? stderr}`);
}

function requireSpace(folder: string, needed: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= needed) return;
  const [has, needs] = [bavail * bsize, needed].map((bytes) => `${(bytes / GiB).toFixed(1)} GiB`);
  throw new Error(`${folder} has ${has} of free space, and ${needs} are needed: see --corpus.`);
}
