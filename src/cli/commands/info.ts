/** `diskimg info`. */

import { type Command, Option } from 'commander';
import { describeImage, inspectImage, type SourceInput } from '../../index.ts';
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
import { asJson, renderInfo } from '../render.ts';

interface InfoFlags extends ImageFlags, OutputFlags {
  readonly disk?: true;
  readonly maxRead?: number;
}

const EXAMPLES = `
Examples:
  diskimg info disk.vhd
  diskimg info --disk disk.qcow2
  diskimg info --output json disk.qcow2
  diskimg info -o size=chs disk.vhd
  diskimg info machine.ova
  diskimg info --member disk1.vmdk machine.ova
`;

export function addInfo(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('info')
      .description('describe an image, and with --disk what is on it')
      .argument('<image>', 'image to read')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(
        new Option('--disk', 'tell what is on the disk, too: partitions, filesystems, boot loaders, systems'),
      )
      .addOption(
        new Option('--max-read <size>', 'with --disk, read at most so much of it (default: 16M)').argParser(
          sizeArgument,
        ),
      )
      .addOption(outputFlag('for people, or as JSON with the keys of qemu-img'))
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: InfoFlags) => {
        io.out(
          flags.disk
            ? await withDisk(inputOf(path, io), flags, io)
            : await alone(inputOf(path, io), flags, io),
        );
      }),
  );
}

async function alone(path: SourceInput, flags: InfoFlags, io: CliIo): Promise<string> {
  const info = await describeImage(path, openingOf(flags, io));
  if (flags.output === 'json') return asJson(info);
  if (!('disks' in info)) return renderInfo(info);
  const { renderArchive } = await import('../render-archive.ts');
  return renderArchive(info);
}

async function withDisk(path: SourceInput, flags: InfoFlags, io: CliIo): Promise<string> {
  const { info, contents } = await inspectImage(path, {
    input: openingOf(flags, io),
    ...(flags.maxRead !== undefined && { maxReadBytes: flags.maxRead }),
    signal: io.signal,
  });
  if (flags.output === 'json') return asJson({ ...info, 'disk-contents': contents });
  const { renderDisk } = await import('../render-disk.ts');
  return renderInfo(info) + renderDisk(contents, info['virtual-size']);
}
