/** `diskimg create`. */

import type { Command } from 'commander';
import {
  type CreateImageOptions,
  type CreateReport,
  createImage,
  type FormatName,
  formatNamed,
  OptionError,
  parseOption,
} from '../../index.ts';
import { formatFlag, type OutputFlags, optionsFlag, outputFlag } from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { outputFormat, type Pair, sizeArgument, sourceDateEpoch } from '../options.ts';
import { outputPassphraseOf, PASSPHRASE_VARIABLE, type SecretIo } from '../passphrase.ts';
import { asJson, humanSize, renderNotes } from '../render.ts';

/** The options as commander gives them. */
interface CreateFlags extends OutputFlags {
  readonly format?: FormatName;
  readonly options: readonly Pair[];
  readonly backing?: string;
  readonly backingFormat?: FormatName;
  readonly unsafe?: true;
  readonly passphraseFile?: string;
  readonly reproducible?: true;
  readonly quiet?: true;
}

const EXAMPLES = `
Examples:
  diskimg create disk.qcow2 40G
  diskimg create -f vhd -o subformat=fixed disk.vhd 40G
  diskimg create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2
  diskimg create -f vhd -b parent.vhd child.vhd
`;

export function addCreate(program: Command, io: CliIo): Command {
  return program
    .command('create')
    .description('make an empty image, or one that builds on another; an existing file is replaced')
    .argument('<file>', 'image to make')
    .argument('[size]', 'virtual size, such as 40G; by default that of the backing file', sizeArgument)
    .addOption(formatFlag('-f, --format <format>', 'format to make; by default the ending of the name tells'))
    .addOption(optionsFlag('options of the format'))
    .option('-b, --backing <file>', 'build on this image (qcow2, vhd); relative to the folder of the new one')
    .addOption(formatFlag('-F, --backing-format <format>', 'format of the backing file; it is not guessed'))
    .option('-u, --unsafe', 'do not open the backing file: it need not exist')
    .option(
      '--passphrase-file <file>',
      `for -o encrypt.format=luks; otherwise ${PASSPHRASE_VARIABLE}, or a question at the terminal`,
    )
    .option('--reproducible', 'the same bytes each time: time from SOURCE_DATE_EPOCH')
    .addOption(outputFlag())
    .option('-q, --quiet', 'print nothing but errors')
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, size: number | undefined, flags: CreateFlags) => {
      const report = await createImage(path, createOptions(path, size, flags, io));
      if (flags.output === 'json') io.out(asJson(report));
      else if (!flags.quiet) io.out(renderReport(report));
    });
}

function createOptions(
  path: string,
  size: number | undefined,
  { format: named, options, backing, backingFormat, unsafe, reproducible, passphraseFile }: CreateFlags,
  io: SecretIo,
): CreateImageOptions {
  const format = outputFormat(named, path);
  const specs = formatNamed(format).createOptions;
  const pairs = options.map(({ name, value = 'on' }) => parseOption(specs, name, value, format));
  return {
    format,
    options: Object.fromEntries(pairs),
    passphrase: outputPassphraseOf(passphraseFile, undefined, io),
    ...(size !== undefined && { size }),
    ...(backing !== undefined && {
      backing: {
        file: backing,
        format: backingFormat ?? standardBackingFormat(format),
        ...(unsafe && { unchecked: true }),
      },
    }),
    ...(reproducible && { reproducible: { timestamp: sourceDateEpoch(io.env) } }),
  } as CreateImageOptions; // checked against the declarations of the formats by the library
}

/** A VHD builds on a VHD; others say what they build on. @throws OptionError `bad-option` */
function standardBackingFormat(format: FormatName): FormatName {
  if (format === 'vhd') return format;
  throw new OptionError('bad-option', 'The format of the backing file was not given.', {
    hint: 'Say it with -F: a guest could make its raw disk look like another format, so it is not guessed.',
  });
}

function renderReport({ filename, format, virtualSize, fileSize, backingFile, notes }: CreateReport): string {
  const over = backingFile === undefined ? '' : `, over ${backingFile}`;
  const lines = renderNotes(notes, '');
  return `${filename}: ${format}, virtual size ${humanSize(virtualSize)} (${virtualSize} bytes), file ${humanSize(fileSize)}${over}\n${lines}`;
}
