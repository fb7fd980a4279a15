/** The flags by which commands are told how to open an image, and how to print what they found. */

import { type Command, Option } from 'commander';
import type { FormatName, OpenImageOptions } from '../index.ts';
import {
  countArgument,
  formatArgument,
  openOptions,
  type Pair,
  pairsArgument,
  sizeArgument,
} from './options.ts';

/** The flags as commander gives them. */
export interface ImageFlags extends TrustFlags {
  readonly inputFormat?: FormatName;
  readonly options: readonly Pair[];
}

export interface OutputFlags {
  readonly output: 'human' | 'json';
}

export const inputFormatFlag = (): Option =>
  new Option('-f, --input-format <format>', 'format of the image; by default its bytes tell').argParser(
    formatArgument,
  );

export const optionsFlag = (about: string): Option =>
  new Option('-o, --options <key=value,...>', `${about}, see diskimg formats`)
    .argParser(pairsArgument)
    .default([], 'none');

const TRUST = 'What images may do:';

/** Adds the flags that say what may be opened beside an image, and how much trouble images may make. */
export function addTrustFlags(command: Command): Command {
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
  return command;
}

export const outputFlag = (): Option =>
  new Option('--output <kind>', 'for people, or as JSON').choices(['human', 'json']).default('human');

/** What the flags of {@link addTrustFlags} say. */
export interface TrustFlags {
  readonly allowPath: readonly string[];
  readonly maxChainDepth?: number;
  readonly maxVirtualSize?: number;
  readonly maxMetadata?: number;
}

export const trustRules = ({ allowPath, maxChainDepth, maxVirtualSize, maxMetadata }: TrustFlags) => ({
  ...(allowPath.length > 0 && { allowPaths: allowPath }),
  ...(maxChainDepth !== undefined && { maxDepth: maxChainDepth }),
  ...(maxVirtualSize !== undefined && { maxVirtualSize }),
  ...(maxMetadata !== undefined && { maxMetadataBytes: maxMetadata }),
});

/** How to open the image. @throws OptionError `bad-option` */
export function openingOf({ inputFormat, options, ...flags }: ImageFlags): OpenImageOptions {
  const open = openOptions(options, inputFormat);
  return {
    ...(inputFormat && { format: inputFormat }),
    options: open,
    ...trustRules(flags),
  } as OpenImageOptions; // the options are those of the format
}
