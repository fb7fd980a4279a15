/** `diskimg compare`. */

import type { Command } from 'commander';
import {
  CompareError,
  type CompareOptions,
  type CompareReport,
  compareImages,
  type FormatName,
  type SourceInput,
} from '../../index.ts';
import {
  addTrustFlagsOfSeveral,
  formatFlag,
  inputsOf,
  memberFlag,
  type OutputFlags,
  openingOf,
  optionsFlag,
  outputFlag,
  type TrustFlags,
  threadsFlag,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import type { Pair } from '../options.ts';
import { barFlag, type ProgressFlags, progressFlag, withProgress } from '../progress.ts';
import { asJson, humanSize, renderNotes } from '../render.ts';

interface CompareFlags extends OutputFlags, ProgressFlags, TrustFlags {
  readonly firstFormat?: FormatName;
  readonly secondFormat?: FormatName;
  readonly firstOptions: readonly Pair[];
  readonly secondOptions: readonly Pair[];
  readonly firstMember?: string;
  readonly secondMember?: string;
  readonly strict?: true;
  readonly first?: true;
  readonly threads?: number;
}

const EXAMPLES = `
Examples:
  diskimg compare disk.qcow2 disk.zvhd2
  diskimg compare -f raw -F qcow2 --first disk.raw disk.qcow2
  diskimg compare --output json before.vhd after.vhd
  diskimg compare --first-options snapshot=monday disk.qcow2 disk.qcow2

Exit codes: 0 same, 1 different, 2 an image could not be opened (or the command not be understood),
3 it could not be told which parts hold data, 4 data could not be read.
`;

/** Those of qemu-img compare. */
const DIFFERENT = 1;
const NOT_COMPARED = 2;
const FAILED_AT = { open: 2, extents: 3, data: 4 } as const;

export function addCompare(program: Command, io: CliIo): Command {
  return addTrustFlagsOfSeveral(
    program
      .command('compare')
      .description('tell whether two images hold the same disk, in whatever formats, and how much differs')
      .argument('<first>', 'image to read')
      .argument('<second>', 'image to compare it with')
      .addOption(
        formatFlag('-f, --first-format <format>', 'format of the first image; by default its bytes tell'),
      )
      .addOption(formatFlag('-F, --second-format <format>', 'format of the second image'))
      .addOption(optionsFlag('options for reading the first image', '--first-options <key=value,...>'))
      .addOption(optionsFlag('options for reading the second image', '--second-options <key=value,...>'))
      .addOption(memberFlag('--first-member <name>', 'the first image'))
      .addOption(memberFlag('--second-member <name>', 'the second image'))
      .option('-s, --strict', 'disks of different sizes differ, even when the rest of the larger is zeros')
      .option('--first', 'stop at the first difference')
      .addOption(outputFlag())
      .addOption(threadsFlag('threads (default: one a core)'))
      .addOption(barFlag())
      .addOption(progressFlag())
      .option('-q, --quiet', 'print nothing but errors: the exit code tells')
      .addHelpText('after', EXAMPLES)
      .exitOverride((error) => {
        io.setExitCode(NOT_COMPARED);
        throw error;
      })
      .action((first: string, second: string, flags: CompareFlags) => runCompare(first, second, flags, io)),
  );
}

async function runCompare(first: string, second: string, flags: CompareFlags, io: CliIo): Promise<void> {
  const { strict, threads, quiet } = flags;
  const opening = (
    inputFormat: FormatName | undefined,
    options: readonly Pair[],
    member: string | undefined,
  ) =>
    openingOf(
      {
        ...flags,
        ...(inputFormat && { inputFormat }),
        options,
        ...(member !== undefined && { member }),
      },
      io,
    );
  io.setExitCode(NOT_COMPARED);
  const options: CompareOptions = {
    first: opening(flags.firstFormat, flags.firstOptions, flags.firstMember),
    second: opening(flags.secondFormat, flags.secondOptions, flags.secondMember),
    ...(strict && { strict }),
    // Nobody hears how much differs when nothing is printed.
    stopAtFirst: flags.first ?? quiet ?? false,
    ...(threads !== undefined && { threads }),
    signal: io.signal,
  };
  const [a, b] = inputsOf([first, second], io) as [SourceInput, SourceInput];
  let report: CompareReport;
  try {
    report = await withProgress(flags, io, (onProgress) => compareImages(a, b, { ...options, onProgress }));
  } catch (error) {
    if (error instanceof CompareError) io.setExitCode(FAILED_AT[error.stage]);
    throw error;
  }
  io.setExitCode(report.identical ? 0 : DIFFERENT);
  if (quiet) return;
  if (flags.output === 'human' && flags.progress !== 'json') io.err(renderNotes(report.notes));
  io.out(flags.output === 'json' ? asJson(report) : render(report));
}

/** The lines of qemu-img, and how much differs. */
function render({ identical, sameSize, firstDifference, differences }: CompareReport): string {
  if (!identical && firstDifference === undefined) return 'Strict mode: Image size mismatch!\n';
  const lines = sameSize ? [] : ['Warning: Image size mismatch!'];
  if (identical) return `${[...lines, 'Images are identical.'].join('\n')}\n`;
  lines.push(`Content mismatch at offset ${firstDifference}!`);
  if (differences) {
    const { sectors, ranges } = differences;
    const what = sectors === 1 ? '1 sector differs' : `${sectors} sectors differ`;
    const where = ranges === 1 ? '1 range' : `${ranges} ranges`;
    lines.push(`${what} (${humanSize(sectors * 512)}), in ${where}.`);
  }
  return `${lines.join('\n')}\n`;
}
