/** The flags that name a cloud, and tell what is known of an import. */

import { type Command, Option } from 'commander';
import {
  type ImportFacts,
  OptionError,
  type Profile,
  profileNamed,
  profiles,
  readProfile,
} from '../index.ts';
import { sizeArgument } from './options.ts';

export const cloudNames: readonly string[] = profiles.map(({ name }) => name);

/** The flags that tell of the import. */
export interface ImportFlags {
  readonly for?: string;
  readonly profile?: string;
  readonly fastImport?: true;
  readonly diskSize?: number;
  readonly os?: 'linux' | 'windows';
  readonly boot?: 'bios' | 'uefi';
  readonly arch?: 'x86' | 'arm';
  readonly dataDisk?: true;
}

/** @param group under which help shows them */
export function addImportFlags(command: Command, group: string): Command {
  const options = [
    new Option('--for <cloud>', 'the cloud').choices(cloudNames),
    new Option('--profile <file>', 'rules of your own, as JSON; see the README'),
    new Option('--fast-import', 'by the rules of fast import, for clouds that have it'),
    new Option('--disk-size <size>', 'the disk that you choose at registration, such as 40G').argParser(
      sizeArgument,
    ),
    new Option('--os <family>', 'what the system is').choices(['linux', 'windows']),
    new Option('--boot <mode>', 'how its machines start').choices(['bios', 'uefi']),
    new Option('--arch <architecture>', 'what they are').choices(['x86', 'arm']),
    new Option('--data-disk', 'it is a data disk: there is no system on it'),
  ];
  for (const option of options) command.addOption(option.helpGroup(group));
  return command;
}

/** @throws OptionError `bad-option`, `bad-profile` */
export async function profileOf(flags: ImportFlags): Promise<Profile> {
  if ((flags.for === undefined) === (flags.profile === undefined)) {
    throw new OptionError('bad-option', 'One of --for and --profile is wanted.', {
      hint: `Clouds: ${cloudNames.join(', ')}.`,
    });
  }
  return flags.profile === undefined ? profileNamed(flags.for ?? '') : readProfile(flags.profile);
}

export const importFacts = (flags: ImportFlags): ImportFacts => ({
  ...(flags.fastImport && { import: 'fast' }),
  ...(flags.diskSize !== undefined && { diskSize: flags.diskSize }),
  ...(flags.os && { os: flags.os }),
  ...(flags.boot && { boot: flags.boot }),
  ...(flags.arch && { arch: flags.arch }),
  ...(flags.dataDisk && { disk: 'data' }),
});
