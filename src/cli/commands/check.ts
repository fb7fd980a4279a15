/** `diskimg check`. */

import { type Command, Option } from 'commander';
import { type CheckOptions, checkImage, type FormatName, type ImageCheck, ImageError } from '../../index.ts';
import type { CliIo } from '../io.ts';
import { formatArgument, openOptions, type Pair, pairsArgument } from '../options.ts';
import { renderCheck } from '../render-check.ts';

interface CheckFlags {
  readonly inputFormat?: FormatName;
  readonly options: readonly Pair[];
  readonly data?: boolean;
  readonly output: 'human' | 'json';
}

/** The codes of `qemu-img check`. */
const ExitCode = { corruptions: 2, leaks: 3, noCheck: 63 } as const;

const EXAMPLES = `
Exit codes: 0 nothing wrong, 1 could not be checked, 2 corruptions, 3 leaked clusters only, 63 the format has no check.

Examples:
  diskimg check disk.qcow2
  diskimg check --data disk.zvhd2
  diskimg check --output json disk.vhd
`;

export function addCheck(program: Command, io: CliIo): Command {
  return program
    .command('check')
    .description("check an image's metadata; nothing that it names is opened, and nothing is repaired")
    .argument('<image>', 'image to check')
    .addOption(
      new Option('-f, --input-format <format>', 'format of the image; by default its bytes tell').argParser(
        formatArgument,
      ),
    )
    .addOption(
      new Option('-o, --options <key=value,...>', 'options for reading, see diskimg formats')
        .argParser(pairsArgument)
        .default([], 'none'),
    )
    .addOption(new Option('--data', 'decode every compressed block, too'))
    .addOption(
      new Option('--output <kind>', 'for people, or as JSON with the keys of qemu-img and findings')
        .choices(['human', 'json'])
        .default('human'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, { inputFormat, options, data, output }: CheckFlags) => {
      const how: CheckOptions = {
        ...(inputFormat && { format: inputFormat }),
        options: openOptions(options, inputFormat),
        data: data ?? false,
        signal: io.signal,
      };
      const check = await checkImage(path, how).catch((error) => {
        if (error instanceof ImageError && error.code === 'no-check') io.setExitCode(ExitCode.noCheck);
        throw error;
      });
      io.out(output === 'json' ? `${JSON.stringify(check, undefined, 4)}\n` : renderCheck(check));
      io.setExitCode(exitCodeOf(check));
    });
}

function exitCodeOf({ corruptions, leaks }: ImageCheck): number {
  if (corruptions) return ExitCode.corruptions;
  return leaks ? ExitCode.leaks : 0;
}
