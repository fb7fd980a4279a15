/** `diskimg preflight`. */

import { type Command, Option } from 'commander';
import {
  OptionError,
  type PreflightOptions,
  type Profile,
  preflight,
  profileNamed,
  profiles,
  readProfile,
} from '../../index.ts';
import {
  addTrustFlags,
  type ImageFlags,
  inputFormatFlag,
  inputOf,
  type OutputFlags,
  openingOf,
  optionsFlag,
  outputFlag,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { sizeArgument } from '../options.ts';
import { asJson } from '../render.ts';
import { renderPreflight } from '../render-preflight.ts';

const names = profiles.map(({ name }) => name);

const EXAMPLES = `
Clouds: ${names.join(', ')}.

Examples:
  diskimg preflight --for azure disk.vhd
  diskimg preflight --for huawei-ims --fast-import --disk-size 40G --os linux --boot uefi disk.zvhd2
  diskimg preflight --for gcp --output json disk.raw
  diskimg preflight --profile our-cloud.json --all disk.qcow2

Exit codes: 0 nothing fails (there may be warnings), 1 a rule fails, or the image cannot be opened.
`;

/** The flags that tell of the import. */
export interface ImportFlags {
  readonly fastImport?: true;
  readonly diskSize?: number;
  readonly os?: 'linux' | 'windows';
  readonly boot?: 'bios' | 'uefi';
  readonly arch?: 'x86' | 'arm';
  readonly dataDisk?: true;
}

interface PreflightFlags extends ImageFlags, OutputFlags, ImportFlags {
  readonly for?: string;
  readonly profile?: string;
  readonly all?: true;
  readonly maxRead?: number;
}

export function addPreflight(program: Command, io: CliIo): Command {
  const command = program
    .command('preflight')
    .description('will a cloud take the image? Judged from the image alone, before the upload')
    .argument('<image>', 'image to read')
    .addOption(new Option('--for <cloud>', 'the cloud').choices(names))
    .option('--profile <file>', 'rules of your own, as JSON; see the README')
    .option('--fast-import', 'by the rules of fast import, for clouds that have it')
    .addOption(
      new Option('--disk-size <size>', 'the disk that you choose at registration, such as 40G').argParser(
        sizeArgument,
      ),
    )
    .addOption(new Option('--os <family>', 'what the system is').choices(['linux', 'windows']))
    .addOption(new Option('--boot <mode>', 'how its machines start').choices(['bios', 'uefi']))
    .addOption(new Option('--arch <architecture>', 'what they are').choices(['x86', 'arm']))
    .option('--data-disk', 'it is a data disk: there is no system on it')
    .option('--all', 'show every rule, those that pass too')
    .addOption(inputFormatFlag())
    .addOption(optionsFlag('options for reading'))
    .addOption(
      new Option('--max-read <size>', 'read at most so much of the disk (default: 16M)').argParser(
        sizeArgument,
      ),
    )
    .addOption(outputFlag())
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: PreflightFlags) => runPreflight(path, flags, io));
  return addTrustFlags(command);
}

async function runPreflight(path: string, flags: PreflightFlags, io: CliIo): Promise<void> {
  const profile = await profileOf(flags);
  const report = await preflight(inputOf(path, io), profile, {
    input: openingOf(flags),
    ...importFacts(flags),
    ...(flags.maxRead !== undefined && { maxReadBytes: flags.maxRead }),
    signal: io.signal,
  });
  const { NO_COLOR: noColor = '', TERM: terminal } = io.env;
  const hasColor = io.isOutputTerminal && noColor === '' && terminal !== 'dumb';
  const { all = false } = flags;
  io.out(flags.output === 'json' ? asJson(report) : renderPreflight(report, { all, hasColor }));
  if (report.verdict === 'fail') io.setExitCode(1);
}

/** @throws OptionError `bad-option`, `bad-profile` */
async function profileOf(flags: PreflightFlags): Promise<Profile> {
  if ((flags.for === undefined) === (flags.profile === undefined)) {
    throw new OptionError('bad-option', 'One of --for and --profile is wanted.', {
      hint: `Clouds: ${names.join(', ')}.`,
    });
  }
  return flags.profile === undefined ? profileNamed(flags.for ?? '') : readProfile(flags.profile);
}

export const importFacts = (
  flags: ImportFlags,
): Pick<PreflightOptions, 'import' | 'diskSize' | 'os' | 'boot' | 'arch' | 'disk'> => ({
  ...(flags.fastImport && { import: 'fast' }),
  ...(flags.diskSize !== undefined && { diskSize: flags.diskSize }),
  ...(flags.os && { os: flags.os }),
  ...(flags.boot && { boot: flags.boot }),
  ...(flags.arch && { arch: flags.arch }),
  ...(flags.dataDisk && { disk: 'data' }),
});
