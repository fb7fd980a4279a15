// Makes every image of native-fixtures/ again with native tools and writes manifest.json.
// The images of vendor.json stay as they are: the vendor's tool made them, and it is not here.
//
//   node native-fixtures/regenerate.ts [<part of a file name>]
//
// Needs (Debian): qemu-utils fdisk gdisk dosfstools mtools e2fsprogs grub-rescue-pc. Digests of guest bytes
// come from `qemu-img convert -O raw` with the format given, never from our own code.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { luksRecipes } from './recipes/luks.ts';
import { qcowRecipes, qedRecipes } from './recipes/qcow-qed.ts';
import { qcow2Recipes } from './recipes/qcow2.ts';
import { rawRecipes } from './recipes/raw.ts';
import type { Recipe, ToolName } from './recipes/recipe.ts';
import { vdiRecipes } from './recipes/vdi.ts';
import { vhdRecipes } from './recipes/vhd.ts';
import { vhdxRecipes } from './recipes/vhdx.ts';
import { vmdkRecipes } from './recipes/vmdk.ts';

interface Companion {
  file: string;
  name: string;
  sha256: string;
}

interface Guest {
  virtualSize: number;
  guestSha256: string;
}

interface ManifestImage {
  file: string;
  format: string;
  tool: string;
  command: string;
  features: string[];
  expect: 'readable' | 'refused';
  note?: string;
  virtualSize: number | null;
  guestSha256: string | null;
  imageSha256: string;
  imageSize: number;
  dataRanges?: { guestOffset: number; length: number; sha256: string }[];
  /** What qemu-img says by itself, where the rule that we follow says something else. */
  asQemuSees?: Guest;
  /** Of the files that the image names. guestSha256 is then in whenAllowed. */
  companions?: Companion[];
  whenAllowed?: Guest;
  /** With its passphrase. guestSha256 is then in here. */
  unlocked?: Guest & { passphrase: string };
  /** The guest of an image that is refused though its data is whole. */
  salvagedSha256?: string;
}

const here = import.meta.dirname;
const qemuFormats = {
  raw: 'raw',
  vhd: 'vpc',
  qcow2: 'qcow2',
  vdi: 'vdi',
  vhdx: 'vhdx',
  vmdk: 'vmdk',
  qcow: 'qcow',
  qed: 'qed',
  luks: 'luks',
};
const READ_BYTES = 4 * 1024 * 1024;

const run = (program: string, args: string[], folder = tmpdir()): string =>
  execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const versionOf = (tool: ToolName): string => {
  const firstMatch = (text: string, pattern: RegExp): string =>
    pattern.exec(text)?.[1] ?? 'of unknown version';
  switch (tool) {
    case 'grub-rescue-pc':
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
      return run('dpkg-query', ['-W', '-f', '${Version}', tool]);
    case 'mke2fs':
      return firstMatch(run('sh', ['-c', 'mke2fs -V 2>&1']), /mke2fs (\S+)/);
    case 'mkfs.vfat':
      return firstMatch(run('sh', ['-c', 'mkfs.vfat --help 2>&1 || true']), /mkfs.fat (\S+)/);
    default:
      return firstMatch(run(tool, ['--version']), /(\d+\.\d+[.\d]*)/);
  }
};

const toolNames = (recipe: Recipe): string =>
  recipe.tools.map((tool) => `${tool} ${versionOf(tool)}`).join(', ') || 'guest-content.ts';

const sha256OfRange = (path: string, from: number, to: number): string => {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(READ_BYTES);
  const handle = openSync(path, 'r');
  for (let at = from; at < to; ) {
    const count = readSync(handle, buffer, 0, Math.min(READ_BYTES, to - at), at);
    if (count === 0) throw new Error(`${basename(path)} ends at ${at}, before ${to}`);
    hash.update(buffer.subarray(0, count));
    at += count;
  }
  closeSync(handle);
  return hash.digest('hex');
};

const sha256OfFile = (path: string): string => sha256OfRange(path, 0, statSync(path).size);

const runCommand = (command: string, folder: string): void => {
  const PATH = [dirname(process.execPath), '/usr/sbin', '/sbin', process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH, FIXTURES: here, LC_ALL: 'C', TZ: 'UTC' };
  execFileSync('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
};

const GUEST_NAME = 'guest-again.raw';

const convertArguments = (recipe: Recipe, name: string, vhdSize: Recipe['vhdSize']): string[] =>
  vhdSize === undefined
    ? ['convert', '-f', qemuFormats[recipe.format], '-O', 'raw', name, GUEST_NAME]
    : [
        'convert',
        '--image-opts',
        '-O',
        'raw',
        `driver=vpc,force_size_calc=${vhdSize},file.filename=${name}`,
        GUEST_NAME,
      ];

/** Converts with qemu-img inside the image's folder: it looks there for a data file, not beside the image. */
const convertToRaw = (recipe: Recipe, path: string, vhdSize: Recipe['vhdSize']): string => {
  const folder = dirname(path);
  run('qemu-img', convertArguments(recipe, basename(path), vhdSize), folder);
  return join(folder, GUEST_NAME);
};

const qemuGuest = (recipe: Recipe, path: string, vhdSize: Recipe['vhdSize']): Guest => {
  const raw = convertToRaw(recipe, path, vhdSize);
  return { virtualSize: statSync(raw).size, guestSha256: sha256OfFile(raw) };
};

const virtualSizeOrNull = (recipe: Recipe, path: string): number | null => {
  try {
    const info = JSON.parse(
      run('qemu-img', ['info', '--output=json', '-f', qemuFormats[recipe.format], path]),
    );
    return info['virtual-size'];
  } catch {
    return null;
  }
};

type GuestFields = Pick<ManifestImage, 'virtualSize' | 'guestSha256'> & Partial<ManifestImage>;

const describeRaw = (recipe: Recipe, path: string): GuestFields => {
  const guest = { virtualSize: statSync(path).size, guestSha256: sha256OfFile(path) };
  const seen = qemuGuest(recipe, path, undefined);
  return seen.guestSha256 === guest.guestSha256 ? guest : { ...guest, asQemuSees: seen };
};

const unlockedGuest = (
  recipe: Recipe,
  path: string,
  passphrase: string,
): NonNullable<ManifestImage['unlocked']> => {
  const raw = join(dirname(path), GUEST_NAME);
  const secret = ['--object', `secret,id=key,data=${passphrase}`];
  const opening = `driver=${recipe.format},key-secret=key,file.filename=${path}`;
  run('qemu-img', ['convert', ...secret, '--image-opts', opening, '-O', 'raw', raw]);
  return { passphrase, virtualSize: statSync(raw).size, guestSha256: sha256OfFile(raw) };
};

const describeRefused = (recipe: Recipe, path: string): GuestFields => {
  const fields: GuestFields = { virtualSize: virtualSizeOrNull(recipe, path), guestSha256: null };
  if (recipe.companions !== undefined) fields.whenAllowed = qemuGuest(recipe, path, undefined);
  if (recipe.passphrase !== undefined) fields.unlocked = unlockedGuest(recipe, path, recipe.passphrase);
  if (recipe.digestFrom !== undefined) fields.salvagedSha256 = qemuGuest(recipe, path, undefined).guestSha256;
  return fields;
};

const describeRanges = (
  recipe: Recipe,
  path: string,
  ranges: NonNullable<Recipe['dataRanges']>,
): GuestFields => {
  const raw = convertToRaw(recipe, path, undefined);
  return {
    virtualSize: statSync(raw).size,
    guestSha256: null,
    dataRanges: ranges.map(({ guestOffset, length }) => ({
      guestOffset,
      length,
      sha256: sha256OfRange(raw, guestOffset, guestOffset + length),
    })),
  };
};

const describeReadable = (recipe: Recipe, path: string): GuestFields => {
  const source = recipe.digestFrom === undefined ? path : join(dirname(path), recipe.digestFrom);
  const guest = qemuGuest(recipe, source, recipe.vhdSize);
  if (recipe.vhdSize === undefined) return guest;
  const seen = qemuGuest(recipe, source, undefined);
  return seen.virtualSize === guest.virtualSize ? guest : { ...guest, asQemuSees: seen };
};

const describeGuest = (recipe: Recipe, path: string): GuestFields => {
  if (recipe.format === 'raw') return describeRaw(recipe, path);
  if (recipe.expect === 'refused') return describeRefused(recipe, path);
  if (recipe.dataRanges !== undefined) return describeRanges(recipe, path, recipe.dataRanges);
  return describeReadable(recipe, path);
};

/** Stores a made file under native-fixtures/ and returns its path there. */
const store = (path: string, file: string, plain: boolean): string => {
  const stored = plain ? file : `${file}.gz`;
  const bytes = plain
    ? readFileSync(path)
    : execFileSync('gzip', ['-9nc', path], { maxBuffer: 1024 * 1024 * 1024 });
  mkdirSync(join(here, dirname(file)), { recursive: true });
  writeFileSync(join(here, stored), bytes);
  return stored;
};

const storeCompanions = (recipe: Recipe, folder: string): Companion[] =>
  (recipe.companions ?? []).map((name) => ({
    file: store(join(folder, name), join(dirname(recipe.file), name), false),
    name,
    sha256: sha256OfFile(join(folder, name)),
  }));

const makeImage = (recipe: Recipe): ManifestImage => {
  const folder = mkdtempSync(join(tmpdir(), 'native-fixtures-'));
  try {
    runCommand(recipe.command, folder);
    const path = join(folder, basename(recipe.file));
    const imageSha256 = sha256OfFile(path);
    const imageSize = statSync(path).size;
    const file = store(path, recipe.file, recipe.plain === true);
    const companions = storeCompanions(recipe, folder);
    return {
      file,
      format: recipe.format,
      tool: toolNames(recipe),
      command: recipe.command,
      features: recipe.features,
      expect: recipe.expect ?? 'readable',
      ...(recipe.note === undefined ? {} : { note: recipe.note }),
      ...describeGuest(recipe, path),
      imageSha256,
      imageSize,
      ...(companions.length === 0 ? {} : { companions }),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const readImages = (name: string): ManifestImage[] => {
  const path = join(here, name);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).images : [];
};

/** Says what changed against the manifest before, so that a run shows which tools are not deterministic. */
const reportImage = (image: ManifestImage, before: ManifestImage | undefined): void => {
  const fields = ['virtualSize', 'guestSha256', 'imageSha256'] as const;
  const changed = before === undefined ? ['new'] : fields.filter((field) => before[field] !== image[field]);
  console.log(`${image.file}  ${image.expect}  ${changed.join(' ')}`);
};

const main = (): void => {
  const wanted = process.argv[2] ?? '';
  const old = new Map(readImages('manifest.json').map((image) => [image.file.replace(/\.gz$/, ''), image]));
  const made = [
    ...rawRecipes,
    ...vhdRecipes,
    ...qcow2Recipes,
    ...qcowRecipes,
    ...qedRecipes,
    ...vdiRecipes,
    ...vmdkRecipes,
    ...vhdxRecipes,
    ...luksRecipes,
  ].flatMap((recipe) => {
    const before = old.get(recipe.file);
    if (!recipe.file.includes(wanted)) return before === undefined ? [] : [before];
    if (recipe.keep && before !== undefined && existsSync(join(here, before.file))) return [before];
    const image = makeImage(recipe);
    reportImage(image, before);
    return [image];
  });
  const manifest = { images: [...made, ...readImages('vendor.json')] };
  writeFileSync(join(here, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
};

main();
