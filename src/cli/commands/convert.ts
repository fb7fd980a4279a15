/** `diskimg convert`. */

import { type Command, Option } from 'commander';
import { type ConvertReport, convert, OptionError } from '../../index.ts';
import { CACHE_MODES, type ConvertFlags, convertOptions } from '../convert-options.ts';
import {
  addTrustFlags,
  formatFlag,
  inputsOf,
  optionsFlag,
  snapshotFlag,
  threadsFlag,
} from '../image-flags.ts';
import { addImportFlags } from '../import-flags.ts';
import type { CliIo } from '../io.ts';
import { countArgument, sizeArgument, virtualSizeArgument } from '../options.ts';
import { OUTPUT_PASSPHRASE_VARIABLE } from '../passphrase.ts';
import { barFlag, duration, progressFlag, withProgress } from '../progress.ts';
import { humanSize, renderNotes } from '../render.ts';

const EXAMPLES = `
Examples:
  diskimg convert disk.qcow2 disk.zvhd2
  diskimg convert -O qcow2 -c -o compression_type=zstd disk.raw disk.qcow2
  diskimg convert -O vhd -o subformat=fixed --sparse=off disk.qcow2 disk.vhd
  diskimg convert --size original disk.zvhd2 disk.raw
  diskimg convert --allow-path . overlay.qcow2 flat.raw
  diskimg convert --allow-path . -B base.qcow2 -F qcow2 overlay.qcow2 smaller.qcow2
  diskimg convert -l before-update disk.qcow2 old.raw
  diskimg convert --member disk2.vmdk machine.ova data.qcow2
  diskimg convert --for azure disk.qcow2 disk.vhd
  diskimg convert --for gcp disk.qcow2 disk.tar.gz
  diskimg convert -O vhd disk.qcow2 - | curl -T - https://example.com/disk.vhd

With - as destination the output goes to standard output while it is made. A compressed qcow2 is made in a temporary
file first, because its head is known last.
`;

export function addConvert(program: Command, io: CliIo): Command {
  const command = addTrustFlags(
    program
      .command('convert')
      .description('convert an image; the output appears under its name when it is complete')
      .usage('[options] <source...> <destination>')
      .argument(
        '<files...>',
        'images to read, several one behind the other, and the file to write (an existing one is replaced when all is done), or - for standard output',
      )
      .addOption(formatFlag('-f, --input-format <format>', 'format of the source; by default its bytes tell'))
      .addOption(
        formatFlag(
          '-O, --output-format <format>',
          'format to write; by default the ending of the name tells',
        ),
      )
      .option('-c, --compress', 'compress the data (qcow2; zvhd and zvhd2 always do)')
      .addOption(optionsFlag('options of the format'))
      .addOption(
        new Option(
          '-S, --sparse-size <size>',
          'leave out zeros in steps of this size; 0: none (default: 4k)',
        ).argParser(sizeArgument),
      )
      .addOption(
        new Option('--sparse <on|off>', 'off: the file has no holes, as some readers want it')
          .choices(['on', 'off'])
          .default('on'),
      )
      .addOption(
        new Option(
          '--size <size>',
          "virtual size to write, or 'original' for what a ZVHD2 remembers",
        ).argParser(virtualSizeArgument),
      )
      .addOption(threadsFlag('threads (default: about one a core); does not change the output'))
      .addOption(
        new Option(
          '-t, --cache <mode>',
          'unsafe: do not wait until the output is on its disk; all others wait',
        )
          .choices(CACHE_MODES)
          .default('writeback'),
      )
      .addOption(snapshotFlag())
      .option('-n, --existing', 'write into a raw file or a device that is there, all of the disk, in place')
      .option('-B, --backing <file>', 'keep this image of the chain: write only what stands above it')
      .addOption(formatFlag('-F, --backing-format <format>', 'its format'))
      .option(
        '--output-passphrase-file <file>',
        `for -o encrypt.format=luks; otherwise ${OUTPUT_PASSPHRASE_VARIABLE}, or the passphrase of the source`,
      )
      .option('--verify', 'read the output back, and compare the digest of its disk with that of the source')
      .option(
        '--salvage',
        'read what can be read of a damaged image; what cannot becomes zeros, and is listed',
      )
      .addOption(new Option('--max-output <size>', 'write no more than this').argParser(sizeArgument))
      .addOption(new Option('--timeout <seconds>', 'stop after this time').argParser(countArgument))
      .option(
        '--reproducible',
        'the same bytes each time: UUID from the content, time from SOURCE_DATE_EPOCH',
      )
      .option('--scan', 'to standard output: read all data before, to leave out zeros that the source stores')
      .addOption(barFlag())
      .option('-q, --quiet', 'print nothing but errors')
      .addOption(progressFlag())
      .addHelpText('after', EXAMPLES)
      .action(async (files: readonly string[], flags: ConvertFlags) => {
        const destination = files.at(-1) as string;
        const sources = requireSources(files.slice(0, -1));
        if (flags.for !== undefined || flags.profile !== undefined) {
          const { convertForCloud } = await import('./convert-for.ts');
          return convertForCloud(sources, destination, flags, io);
        }
        requireNoImportFlags(flags);
        if (destination !== '-') return runConvert(sources, destination, flags, io);
        const { convertToPipe } = await import('./convert-pipe.ts');
        return convertToPipe(sources, flags, io);
      }),
  );
  return addImportFlags(command, 'For a cloud (format, options and size are what it takes):');
}

/** @throws OptionError `bad-option` for what says something of an import where there is none */
function requireNoImportFlags({ fastImport, diskSize, os, boot, arch, dataDisk }: ConvertFlags): void {
  if ([fastImport, diskSize, os, boot, arch, dataDisk].every((flag) => flag === undefined)) return;
  throw new OptionError('bad-option', 'Something is said of an import, and no cloud is named.', {
    hint: 'Name it with --for or --profile, or leave --fast-import, --disk-size, --os, --boot, --arch and --data-disk out.',
  });
}

/** @throws OptionError `bad-option` */
export function requireSources(sources: readonly string[]): readonly string[] {
  if (sources.length > 0) return sources;
  throw new OptionError('bad-option', 'There is no image to read, or no file to write.', {
    hint: 'Name both: diskimg convert <source> <destination>.',
  });
}

async function runConvert(
  sources: readonly string[],
  destination: string,
  flags: ConvertFlags,
  io: CliIo,
): Promise<void> {
  const options = convertOptions(destination, flags, io);
  const started = Date.now();
  const report = await withProgress(flags, io, (onProgress) =>
    convert(inputsOf(sources, io), destination, { ...options, signal: io.signal, onProgress }),
  );
  if (report.lost && report.lost.length > 0) io.setExitCode(1);
  if (flags.progress !== 'json' && !flags.quiet)
    io.err(cacheNote(flags.cache) + summary(destination, report, Date.now() - started, io.isTerminal));
}

function cacheNote(mode: ConvertFlags['cache']): string {
  if (mode === 'writeback' || mode === 'unsafe') return '';
  return `diskimg: note: [cache-ignored] -t ${mode} is treated as writeback: the output is flushed at the end.\n`;
}

/** Notes always; what was done only for someone who watches. */
function summary(destination: string, report: ConvertReport, elapsed: number, isWatched: boolean): string {
  const { outputFormat: name, virtualSize, fileSize } = report;
  const took = elapsed < 10_000 ? `${(elapsed / 1000).toFixed(1)} s` : duration(elapsed / 1000);
  const line = `${destination}: ${name}, virtual size ${humanSize(virtualSize)} (${virtualSize} bytes), file ${humanSize(fileSize)}, ${took}\n`;
  const lost = (report.lost ?? []).map(
    ({ guestOffset, length, code, message }) =>
      `diskimg: lost: guest bytes ${guestOffset} to ${guestOffset + length} (${humanSize(length)}): [${code}] ${message}\n`,
  );
  const digest = report.digest === undefined ? '' : `${destination}: verified, ${report.digest}\n`;
  return renderNotes(report.notes) + lost.join('') + digest + (isWatched ? line : '');
}
