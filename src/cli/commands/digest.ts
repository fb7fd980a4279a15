/** `diskimg digest`. */

import { type Command, Option } from 'commander';
import { type DigestAlgorithm, type DigestOptions, digestImage } from '../../index.ts';
import {
  addTrustFlags,
  type ImageFlags,
  inputFormatFlag,
  inputOf,
  type OutputFlags,
  openingOf,
  optionsFlag,
  outputFlag,
  threadsFlag,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import { virtualSizeArgument } from '../options.ts';
import { barFlag, type ProgressFlags, progressFlag, withProgress } from '../progress.ts';
import { asJson, renderNotes } from '../render.ts';

interface DigestFlags extends ImageFlags, OutputFlags, ProgressFlags {
  readonly algorithm: DigestAlgorithm;
  readonly size?: number | 'original';
  readonly threads?: number;
}

const EXAMPLES = `
Examples:
  diskimg digest disk.qcow2
  diskimg digest --size original disk.zvhd2
  diskimg digest --algorithm sha256 disk.vhd

The digest is that of the disk, not of the file: it is the same in every format, and for any number of threads.
`;

export function addDigest(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('digest')
      .description('print a digest of the disk that an image holds; zeros cost nothing')
      .argument('<image>', 'image to read')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(
        new Option('--algorithm <name>', 'sha256: of all bytes, as sha256sum has it of a raw image; slower')
          .choices(['diskimg', 'sha256'])
          .default('diskimg'),
      )
      .addOption(
        new Option(
          '--size <size>',
          "size of the disk, more or less zeros; 'original' for what a ZVHD2 remembers",
        ).argParser(virtualSizeArgument),
      )
      .addOption(outputFlag())
      .addOption(threadsFlag('threads (default: one a core)'))
      .addOption(barFlag())
      .addOption(progressFlag())
      .option('-q, --quiet', 'print nothing but the digest and errors')
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: DigestFlags) => {
        const { algorithm, size, threads, output, quiet, progress } = flags;
        const options: DigestOptions = {
          algorithm,
          input: openingOf(flags, io),
          ...(size !== undefined && { size }),
          ...(threads !== undefined && { threads }),
          signal: io.signal,
        };
        const report = await withProgress(flags, io, (onProgress) =>
          digestImage(inputOf(path, io), { ...options, onProgress }),
        );
        if (output === 'human' && !quiet && progress !== 'json') io.err(renderNotes(report.notes));
        io.out(output === 'json' ? asJson(report) : `${report.digest}\n`);
      }),
  );
}
