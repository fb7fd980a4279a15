/** The flags by which commands are told how to open an image, and how to print what they found. */

import { Option } from 'commander';
import type { FormatName, OpenImageOptions, ReferenceRules } from '../index.ts';
import { countArgument, formatArgument, openOptions, type Pair, pairsArgument } from './options.ts';

/** The flags as commander gives them. */
export interface ImageFlags {
  readonly inputFormat?: FormatName;
  readonly options: readonly Pair[];
  readonly allowPath: readonly string[];
  readonly maxChainDepth?: number;
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

export const allowPathFlag = (): Option =>
  new Option(
    '--allow-path <folder>',
    'open what the image names (a backing file, a parent) if it is in this folder; may be given several times',
  )
    .argParser((folder: string, before: readonly string[]) => [...before, folder])
    .default([], 'nothing');

export const maxChainDepthFlag = (): Option =>
  new Option('--max-chain-depth <number>', 'images below the first one, at most (default: 64)').argParser(
    countArgument,
  );

export const outputFlag = (): Option =>
  new Option('--output <kind>', 'for people, or as JSON').choices(['human', 'json']).default('human');

/** What may be opened beside an image. */
export const chainRules = ({
  allowPath,
  maxChainDepth,
}: Pick<ImageFlags, 'allowPath' | 'maxChainDepth'>): ReferenceRules => ({
  ...(allowPath.length > 0 && { allowPaths: allowPath }),
  ...(maxChainDepth !== undefined && { maxDepth: maxChainDepth }),
});

/** How to open the image. @throws OptionError `bad-option` */
export function openingOf({ inputFormat, options, ...flags }: ImageFlags): OpenImageOptions {
  const open = openOptions(options, inputFormat);
  return {
    ...(inputFormat && { format: inputFormat }),
    options: open,
    ...chainRules(flags),
  } as OpenImageOptions; // the options are those of the format
}
