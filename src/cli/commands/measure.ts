/** `diskimg measure`. */

import { type Command, Option } from 'commander';
import { type FormatName, type Measurement, type MeasureOptions, measure, OptionError } from '../../index.ts';
import {
  addTrustFlags,
  formatFlag,
  type ImageFlags,
  inputFormatFlag,
  inputOf,
  type OutputFlags,
  optionsFlag,
  outputFlag,
  snapshotFlag,
  trustRules,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { sortOptions, virtualSizeArgument } from '../options.ts';
import { asJson, humanSize } from '../render.ts';

interface MeasureFlags extends ImageFlags, OutputFlags {
  readonly snapshot?: string;
  readonly outputFormat: FormatName;
  readonly size?: number | 'original';
  readonly scan?: true;
}

const EXPLANATION = `
The size is exact for raw and fixed VHD. For uncompressed formats it is exact with --scan, which reads all data; without,
it is what the file has at most: a conversion also leaves out zeros that the source stores. For compressed formats
(zvhd, zvhd2, qcow2 with -o compress) it is what data that does not compress would take.

Examples:
  diskimg measure -O qcow2 disk.raw
  diskimg measure -O vhd --scan disk.qcow2
  diskimg measure -O qcow2 -o cluster_size=2M --size 1T --output json
`;

export function addMeasure(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('measure')
      .description('tell how large the file of a conversion will be')
      .argument('[image]', 'image to be converted; without one, an empty disk of --size')
      .addOption(inputFormatFlag())
      .addOption(formatFlag('-O, --output-format <format>', 'format to be written').makeOptionMandatory())
      .addOption(optionsFlag('options of the format to be written'))
      .addOption(snapshotFlag())
      .addOption(
        new Option('--size <size>', "virtual size to be written, or 'original'").argParser(
          virtualSizeArgument,
        ),
      )
      .option('--scan', 'read the data, to leave out zeros as a conversion will')
      .addOption(outputFlag())
      .addHelpText('after', EXPLANATION)
      .action(async (path: string | undefined, flags: MeasureFlags) => {
        const result = await runMeasure(path, flags, io);
        io.out(flags.output === 'json' ? asJson(result) : renderMeasurement(result));
      }),
  );
}

async function runMeasure(path: string | undefined, flags: MeasureFlags, io: CliIo): Promise<Measurement> {
  const { outputFormat, inputFormat, options, size, scan, snapshot } = flags;
  const { create, open } = sortOptions(options, outputFormat, inputFormat);
  const wanted = { format: outputFormat, options: create, signal: io.signal };
  if (path === undefined) {
    if (typeof size === 'number') return measure({ virtualSize: size }, wanted as MeasureOptions);
    throw new OptionError('bad-option', 'Neither an image nor a size was given.', {
      hint: 'Name an image, or give --size N for an empty disk.',
    });
  }
  return measure(inputOf(path, io), {
    ...wanted,
    input: {
      ...(inputFormat && { format: inputFormat }),
      options: { ...open, ...(snapshot !== undefined && { snapshot }) },
      ...trustRules(flags, io),
    },
    ...(size !== undefined && { size }),
    ...(scan && { scan }),
  } as MeasureOptions); // checked against the declarations of the formats by the library
}

/** As qemu-img shows it, with the sizes readable. */
function renderMeasurement({ required, 'fully-allocated': full, exact }: Measurement): string {
  const most = exact ? '' : ', at most';
  return `required size: ${required} (${humanSize(required)}${most})\nfully allocated size: ${full} (${humanSize(full)})\n`;
}
