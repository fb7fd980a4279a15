/** `diskimg info`. */

import type { Command } from 'commander';
import { imageInfo, type OpenImageOptions, openImage } from '../../index.ts';
import {
  addSourceFlags,
  inputFormatFlag,
  type OutputFlags,
  optionsFlag,
  outputFlag,
  type ReadingFlags,
  readingOf,
  type SourceFlags,
  sourceRules,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { asJson, renderInfo } from '../render.ts';

type InfoFlags = ReadingFlags & OutputFlags & SourceFlags;

const EXAMPLES = `
Examples:
  diskimg info disk.vhd
  diskimg info --output json disk.qcow2
  diskimg info -o size=chs disk.vhd
`;

export function addInfo(program: Command, io: CliIo): Command {
  return addSourceFlags(
    program
      .command('info')
      .description('describe an image; nothing that it names is opened')
      .argument('<image>', 'image to read')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(outputFlag('for people, or as JSON with the keys of qemu-img'))
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: InfoFlags) => {
        const how = { ...readingOf(flags), ...sourceRules(flags), metadataOnly: true } as OpenImageOptions;
        await using image = await openImage(path, how);
        const info = imageInfo(image);
        io.out(flags.output === 'json' ? asJson(info) : renderInfo(info));
      }),
  );
}
