/** `diskimg cat`. */

import { type Command, Option } from 'commander';
import { CancelledError, guestChunks, openImage } from '../../index.ts';
import {
  addTrustFlags,
  type ImageFlags,
  inputFormatFlag,
  inputOf,
  openingOf,
  optionsFlag,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { sizeArgument } from '../options.ts';

interface CatFlags extends ImageFlags {
  readonly offset?: number;
  readonly length?: number;
}

const EXAMPLES = `
Examples:
  diskimg cat disk.qcow2 | sha256sum
  diskimg cat --length 512 disk.vhd | xxd
  diskimg cat --offset 1M --length 64M disk.zvhd2 > part.raw
`;

export function addCat(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('cat')
      .description('write the bytes of the disk, or a part of them, to standard output')
      .argument('<image>', 'image to read')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(new Option('--offset <offset>', 'begin at this byte of the disk').argParser(sizeArgument))
      .addOption(
        new Option('--length <length>', 'write so many bytes (default: to the end)').argParser(sizeArgument),
      )
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: CatFlags) => {
        const { offset: start, length } = flags;
        await using image = await openImage(inputOf(path, io), openingOf(flags, io));
        const range = { ...(start !== undefined && { start }), ...(length !== undefined && { length }) };
        for await (const chunk of guestChunks(image, range)) {
          if (io.signal.aborted) throw new CancelledError({ cause: io.signal.reason });
          const isRead = await io.write(chunk);
          if (!isRead) return;
        }
        await image.requireUnchanged();
      }),
  );
}
