/** `diskimg preflight`. */

import { type Command, Option } from 'commander';
import { preflight } from '../../index.ts';
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
import { addImportFlags, cloudNames, type ImportFlags, importFacts, profileOf } from '../import-flags.ts';
import type { CliIo } from '../io.ts';
import { sizeArgument } from '../options.ts';
import { asJson } from '../render.ts';
import { renderPreflight } from '../render-preflight.ts';

const EXAMPLES = `
Clouds: ${cloudNames.join(', ')}.

Examples:
  diskimg preflight --for azure disk.vhd
  diskimg preflight --for huawei-ims --fast-import --disk-size 40G --os linux --boot uefi disk.zvhd2
  diskimg preflight --for gcp --output json disk.raw
  diskimg preflight --profile our-cloud.json --all disk.qcow2

Exit codes: 0 nothing fails (there may be warnings), 1 a rule fails, or the image cannot be opened.
`;

interface PreflightFlags extends ImageFlags, OutputFlags, ImportFlags {
  readonly all?: true;
  readonly maxRead?: number;
}

export function addPreflight(program: Command, io: CliIo): Command {
  const command = program
    .command('preflight')
    .description('will a cloud take the image? Judged from the image alone, before the upload')
    .argument('<image>', 'image to read')
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
  return addTrustFlags(addImportFlags(command, 'The import:'));
}

async function runPreflight(path: string, flags: PreflightFlags, io: CliIo): Promise<void> {
  const profile = await profileOf(flags);
  const report = await preflight(inputOf(path, io), profile, {
    input: openingOf(flags, io),
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
