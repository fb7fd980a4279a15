/** `diskimg check`. */

import { type Command, Option } from 'commander';
import { type CheckOptions, checkImage, type ImageCheck, ImageError } from '../../index.ts';
import {
  addSourceFlags,
  inputFormatFlag,
  inputOf,
  type OutputFlags,
  optionsFlag,
  outputFlag,
  type ReadingFlags,
  readingOf,
  type SourceFlags,
  sourceRules,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { asJson } from '../render.ts';
import { renderCheck } from '../render-check.ts';

interface CheckFlags extends ReadingFlags, OutputFlags, SourceFlags {
  readonly data?: boolean;
  readonly quiet?: true;
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
  return addSourceFlags(
    program
      .command('check')
      .description("check an image's metadata; nothing that it names is opened, and nothing is repaired")
      .argument('<image>', 'image to check')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(new Option('--data', 'decode every compressed block, too'))
      .addOption(outputFlag('for people, or as JSON with the keys of qemu-img and findings'))
      .option('-q, --quiet', 'print nothing but errors: the exit code tells')
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: CheckFlags) => {
        const { data, output, quiet } = flags;
        const how: CheckOptions = {
          ...readingOf(flags),
          ...sourceRules(flags),
          data: data ?? false,
          signal: io.signal,
        };
        const check = await checkImage(inputOf(path, io), how).catch((error) => {
          if (error instanceof ImageError && error.code === 'no-check') io.setExitCode(ExitCode.noCheck);
          throw error;
        });
        if (output === 'json') io.out(asJson(check));
        else if (!quiet) io.out(renderCheck(check));
        io.setExitCode(exitCodeOf(check));
      }),
  );
}

function exitCodeOf({ corruptions, leaks }: ImageCheck): number {
  if (corruptions) return ExitCode.corruptions;
  return leaks ? ExitCode.leaks : 0;
}
