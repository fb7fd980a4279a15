/** The flags by which commands are told how to open an image, and how to print what they found. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type FormatName,
  type OpenImageOptions,
  OptionError,
  type SourceInput,
  type SourceOptions,
} from '../index.ts';
import type { CliIo } from './io.ts';
import {
  countArgument,
  formatArgument,
  openOptions,
  type Pair,
  pairsArgument,
  sizeArgument,
} from './options.ts';
import { PASSPHRASE_VARIABLE, passphraseOf, type SecretIo } from './passphrase.ts';

/**
 * The image of a command: a path, an address, or `-` for what is piped in.
 * @throws OptionError `bad-option` when nothing is
 */
export function inputOf(path: string, io: Pick<CliIo, 'stdin'>): SourceInput {
  if (path !== '-') return path;
  const { stdin } = io;
  if (stdin) return { name: 'standard input', [Symbol.asyncIterator]: () => stdin[Symbol.asyncIterator]() };
  throw new OptionError('bad-option', 'Nothing is piped into standard input.', {
    hint: 'Name the image, or pipe it in: curl … | diskimg convert - disk.zvhd2',
  });
}

/** The same for several, of which one may be piped in. @throws OptionError `bad-option` */
export function inputsOf(paths: readonly string[], io: Pick<CliIo, 'stdin'>): SourceInput[] {
  if (paths.filter((path) => path === '-').length > 1) {
    throw new OptionError('bad-option', 'Standard input is one image, not several.', {
      hint: 'Name the others.',
    });
  }
  return paths.map((path) => inputOf(path, io));
}

/** How an image is read, as commander gives it. */
export interface ReadingFlags {
  readonly inputFormat?: FormatName;
  readonly options: readonly Pair[];
}

export interface ImageFlags extends ReadingFlags, TrustFlags {}

export interface OutputFlags {
  readonly output: 'human' | 'json';
}

/** A flag that names a format. */
export const formatFlag = (flags: string, about: string): Option =>
  new Option(flags, about).argParser(formatArgument);

export const inputFormatFlag = (): Option =>
  formatFlag('-f, --input-format <format>', 'format of the image; by default its bytes tell');

/** @param flags `-o`, unless a command has options for more than one image */
export const optionsFlag = (about: string, flags = '-o, --options <key=value,...>'): Option =>
  new Option(flags, `${about}, see diskimg formats`).argParser(pairsArgument).default([], 'none');

const TRUST = 'What images may do:';
const REMOTE = 'Images behind http and https:';

export const memberFlag = (flags = '--member <name>', image = 'the image'): Option =>
  new Option(
    flags,
    `if ${image} is an OVA: the disk in it to read, see diskimg info (default: the only one)`,
  );

/** Adds the flags that say how images are fetched, and which disk of an archive is read. */
export const addSourceFlags = (command: Command): Command =>
  addFetchingFlags(command.addOption(memberFlag()));

function addFetchingFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--spool',
        'download to a temporary file what the server does not give parts of; it is removed at the end',
      ).helpGroup(REMOTE),
    )
    .addOption(
      new Option('--max-spool <size>', 'bytes that such a file may have (default: 1T)')
        .argParser(sizeArgument)
        .helpGroup(REMOTE),
    )
    .addOption(
      new Option(
        '--max-expansion <number>',
        'data may be this many times larger than the files that it comes from, above 1 GiB (default: 4000)',
      )
        .argParser(countArgument)
        .helpGroup(TRUST),
    )
    .addOption(
      new Option(
        '--header <name: value>',
        'send this header field, such as authorization, to the server of the address; may be given several times',
      )
        .argParser(headerArgument)
        .default({}, 'none')
        .helpGroup(REMOTE),
    );
}

/** @throws InvalidArgumentError */
function headerArgument(text: string, before: Readonly<Record<string, string>>) {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError("Expected 'name: value'.");
  return { ...before, [text.slice(0, colon).trim()]: text.slice(colon + 1).trim() };
}

/** What the flags of {@link addSourceFlags} say. */
export interface SourceFlags {
  readonly spool?: true;
  readonly maxSpool?: number;
  readonly maxExpansion?: number;
  readonly header: Readonly<Record<string, string>>;
  readonly member?: string;
}

export const sourceRules = ({
  spool,
  maxSpool,
  maxExpansion,
  header,
  member,
}: SourceFlags): SourceOptions => ({
  ...(member !== undefined && { member }),
  ...(spool && { spool }),
  ...(maxSpool !== undefined && { maxSpoolBytes: maxSpool }),
  ...(maxExpansion !== undefined && { maxExpansion }),
  ...(Object.keys(header).length > 0 && { http: { headers: header } }),
});

/** The flag that unlocks encrypted images. */
const passphraseFlag = (): Option =>
  new Option(
    '--passphrase-file <file>',
    `of an encrypted image, without the line break at its end; otherwise ${PASSPHRASE_VARIABLE}, or a question at the terminal`,
  );

/** Adds the flags that say what may be opened beside an image, and how much trouble images may make. */
export const addTrustFlags = (command: Command): Command =>
  addTrustFlagsOfSeveral(command.addOption(memberFlag()));

/** The same for a command with several images, each of which has a flag of its own for its member. */
export function addTrustFlagsOfSeveral(command: Command): Command {
  const limit = (flags: string, about: string, parse: (text: string) => number) =>
    command.addOption(new Option(flags, about).argParser(parse).helpGroup(TRUST));
  command.addOption(
    new Option(
      '--allow-path <folder>',
      'open what the image names (a backing file, a parent) if it is in this folder; may be given several times',
    )
      .argParser((folder: string, before: readonly string[]) => [...before, folder])
      .default([], 'nothing')
      .helpGroup(TRUST),
  );
  limit('--max-chain-depth <number>', 'images below the first one, at most (default: 64)', countArgument);
  limit('--max-virtual-size <size>', 'the largest disk that is read (default: 64T)', sizeArgument);
  limit('--max-metadata <size>', "memory for an image's tables, at most (default: 512M)", sizeArgument);
  return addFetchingFlags(command).addOption(passphraseFlag());
}

export const threadsFlag = (about: string): Option =>
  new Option('-m, --threads <number>', about).argParser(countArgument);

/** The flag that names an internal snapshot. qemu-img's `snapshot.id=` and `snapshot.name=` may stand before it. */
export const snapshotFlag = (): Option =>
  new Option(
    '-l, --snapshot <id or name>',
    'read this internal snapshot instead of the active state',
  ).argParser((text: string) => text.replace(/^snapshot\.(id|name)=/, ''));

export const outputFlag = (about = 'for people, or as JSON'): Option =>
  new Option('--output <kind>', about).choices(['human', 'json']).default('human');

/** What the flags of {@link addTrustFlags} say. */
export interface TrustFlags extends SourceFlags {
  readonly passphraseFile?: string;
  readonly allowPath: readonly string[];
  readonly maxChainDepth?: number;
  readonly maxVirtualSize?: number;
  readonly maxMetadata?: number;
}

export const trustRules = (
  { allowPath, maxChainDepth, maxVirtualSize, maxMetadata, passphraseFile, ...source }: TrustFlags,
  io: SecretIo,
) => ({
  ...sourceRules(source),
  passphrase: passphraseOf(passphraseFile, io),
  ...(allowPath.length > 0 && { allowPaths: allowPath }),
  ...(maxChainDepth !== undefined && { maxDepth: maxChainDepth }),
  ...(maxVirtualSize !== undefined && { maxVirtualSize }),
  ...(maxMetadata !== undefined && { maxMetadataBytes: maxMetadata }),
});

/** The format of an image, and the options for reading it. @throws OptionError `bad-option` */
export const readingOf = ({ inputFormat, options }: ReadingFlags) => ({
  ...(inputFormat && { format: inputFormat }),
  options: openOptions(options, inputFormat),
});

/** How to open the image. @throws OptionError `bad-option` */
export const openingOf = (flags: ImageFlags, io: SecretIo): OpenImageOptions =>
  ({ ...readingOf(flags), ...trustRules(flags, io) }) as OpenImageOptions; // the options are those of the format
