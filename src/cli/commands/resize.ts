/** `diskimg resize`. */

import { type Command, InvalidArgumentError } from 'commander';
import { type FormatName, type NewSize, parseSize, type ResizeReport, resizeImage } from '../../index.ts';
import { inputFormatFlag, type OutputFlags, outputFlag } from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { asJson, humanSize, renderNotes } from '../render.ts';

interface ResizeFlags extends OutputFlags {
  readonly inputFormat?: FormatName;
  readonly quiet?: true;
}

const EXPLANATION = `
raw, fixed VHD and qcow2 grow; a dynamic VHD as far as its block table has room. What cannot grow in place, and whatever
is to shrink, is converted: diskimg convert --size. Partitions and filesystems are not changed. Nobody else may use the
image meanwhile.

Examples:
  diskimg resize disk.qcow2 40G
  diskimg resize -f raw disk.img +10G
`;

export function addResize(program: Command, io: CliIo): Command {
  return program
    .command('resize')
    .description('make the disk of an image larger, in place; zeros are added')
    .argument('<image>', 'image to change')
    .argument('<size>', 'the new virtual size, such as 40G, or how much more, such as +10G', newSizeArgument)
    .addOption(inputFormatFlag())
    .addOption(outputFlag())
    .option('-q, --quiet', 'print nothing but errors')
    .addHelpText('after', EXPLANATION)
    .action(async (path: string, size: NewSize, { inputFormat, output, quiet }: ResizeFlags) => {
      const report = await resizeImage(path, size, inputFormat ? { format: inputFormat } : {});
      if (output === 'json') io.out(asJson(report));
      else if (!quiet) io.out(renderReport(report));
    });
}

/** For commander: `40G`, or `+10G`. */
export function newSizeArgument(text: string): NewSize {
  const isMore = text.startsWith('+');
  const size = parseSize(isMore ? text.slice(1) : text);
  if (size !== undefined) return isMore ? { growBy: size } : size;
  const isLess = text.startsWith('-');
  throw new InvalidArgumentError(
    isLess
      ? 'A disk cannot be made smaller in place: use diskimg convert --size.'
      : 'Expected a size such as 40G, or +10G.',
  );
}

function renderReport({ filename, previousVirtualSize: before, virtualSize, notes }: ResizeReport): string {
  const lines = renderNotes(notes, '');
  const size = `${humanSize(virtualSize)} (${virtualSize} bytes)`;
  if (before === virtualSize) return `${filename}: the disk has ${size} already\n${lines}`;
  return `${filename}: virtual size ${humanSize(before)} → ${size}\n${lines}`;
}
