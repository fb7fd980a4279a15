/** `diskimg info`. */

import { type Command, Option } from 'commander';
import { type FormatName, imageInfo, type OpenImageOptions, openImage } from '../../index.ts';
import type { CliIo } from '../io.ts';
import { formatArgument, openOptions, type Pair, pairsArgument } from '../options.ts';
import { renderInfo } from '../render.ts';

interface InfoFlags {
  readonly inputFormat?: FormatName;
  readonly options: readonly Pair[];
  readonly output: 'human' | 'json';
}

const EXAMPLES = `
Examples:
  diskimg info disk.vhd
  diskimg info --output json disk.qcow2
  diskimg info -o size=chs disk.vhd
`;

export function addInfo(program: Command, io: CliIo): Command {
  return program
    .command('info')
    .description('describe an image; nothing that it names is opened')
    .argument('<image>', 'image to read')
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
    .addOption(
      new Option('--output <kind>', 'for people, or as JSON with the keys of qemu-img')
        .choices(['human', 'json'])
        .default('human'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (path: string, { inputFormat, options, output }: InfoFlags) => {
      const open = openOptions(options, inputFormat);
      const how = {
        ...(inputFormat && { format: inputFormat }),
        options: open,
        metadataOnly: true,
      } as OpenImageOptions;
      await using image = await openImage(path, how);
      const info = imageInfo(image);
      io.out(output === 'json' ? `${JSON.stringify(info, undefined, 4)}\n` : renderInfo(info));
    });
}
