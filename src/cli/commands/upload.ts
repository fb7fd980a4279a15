/** `diskimg upload`. */

import { type Command, Option } from 'commander';
import {
  type FormatName,
  fileJournal,
  formatNamed,
  type JournaledUpload,
  journaledUpload,
  OptionError,
  type OptionSpecs,
  type PrepareOptions,
  prepare,
  type RetryNotice,
  type UploadReport,
  uploadParts,
} from '../../index.ts';
import { compression } from '../convert-options.ts';
import {
  addTrustFlags,
  formatFlag,
  inputsOf,
  optionsFlag,
  snapshotFlag,
  type TrustFlags,
  threadsFlag,
  trustRules,
} from '../image-flags.ts';
import type { CliIo } from '../io.ts';
import {
  countArgument,
  outputFormat,
  type Pair,
  retriesArgument,
  sizeArgument,
  sortOptions,
  sourceDateEpoch,
  virtualSizeArgument,
} from '../options.ts';
import { barFlag, type ProgressFlags, progressFlag, withProgress } from '../progress.ts';
import { humanSize, renderNotes } from '../render.ts';
import { openStore, type StoreFlags } from '../store-client.ts';
import { endpointArgument, parseTarget } from '../upload-target.ts';
import { requireSources } from './convert.ts';

interface UploadFlags extends ProgressFlags, TrustFlags, StoreFlags {
  readonly inputFormat?: FormatName;
  readonly outputFormat?: FormatName;
  readonly compress?: true;
  readonly options: readonly Pair[];
  readonly size?: number | 'original';
  readonly scan: 'metadata' | 'data';
  readonly threads?: number;
  readonly snapshot?: string;
  readonly reproducible?: true;
  readonly partSize?: number;
  readonly concurrency?: number;
  readonly retries?: number;
  readonly resume?: string;
}

const EXAMPLES = `
Examples:
  diskimg upload disk.qcow2 s3://images/disk.zvhd2
  diskimg upload disk.qcow2 s3://images/disk.vhd --endpoint https://minio.example.com --path-style
  diskimg upload --resume state disk.qcow2 obs://images/disk.zvhd2 --region eu-west-101

What is uploaded is made while it leaves: there is no file of it. Needs @aws-sdk/client-s3 (for s3://) or
esdk-obs-nodejs (for obs://), installed beside diskimg. Credentials: for s3:// as Amazon's tools find them (AWS_ACCESS_KEY_ID
and AWS_SECRET_ACCESS_KEY, a profile, a role); for obs:// in OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY.
An upload that stops is removed from the store; with --resume it stays there, and the same command goes on with it, or
sees that all is done.
`;

export function addUpload(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('upload')
      .description('convert an image into an object of a store, without a file in between')
      .usage('[options] <source...> <s3://bucket/key | obs://bucket/key>')
      .argument('<files...>', 'images to read, several one behind the other, and the object to make')
      .addOption(formatFlag('-f, --input-format <format>', 'format of the source; by default its bytes tell'))
      .addOption(
        formatFlag('-O, --output-format <format>', 'format to write; by default the ending of the key tells'),
      )
      .option('-c, --compress', 'compress the data (qcow2; zvhd and zvhd2 always do)')
      .addOption(optionsFlag('options of the format'))
      .addOption(
        new Option('--endpoint <address>', "the store's address; by default Amazon's").argParser(
          endpointArgument,
        ),
      )
      .option('--region <name>', "the store's region")
      .option(
        '--path-style',
        'the bucket is in the path, not in the name of the host (default: for hosts without a name)',
      )
      .addOption(
        new Option('--digest <name>', 'by what the store checks the parts')
          .choices(['md5', 'sha256', 'crc32c', 'none'])
          .default('md5'),
      )
      .addOption(
        new Option(
          '--part-size <size>',
          'size of a part (default: 16M, or more for 10,000 parts to be enough)',
        ).argParser(sizeArgument),
      )
      .addOption(
        new Option(
          '--concurrency <number>',
          'parts under way at once; as many are in memory (default: 4)',
        ).argParser(countArgument),
      )
      .addOption(
        new Option(
          '--retries <number>',
          'how often a request that fails is made again (default: 10)',
        ).argParser(retriesArgument),
      )
      .option('--resume <file>', 'keep the state of the upload in this file, and go on with what it says')
      .addOption(
        new Option(
          '--size <size>',
          "virtual size to write, or 'original' for what a ZVHD2 remembers",
        ).argParser(virtualSizeArgument),
      )
      .addOption(
        new Option(
          '--scan <kind>',
          'what is stored in a format that packs: what the tables of the source say; or data, which is read once more',
        )
          .choices(['metadata', 'data'])
          .default('metadata'),
      )
      .addOption(threadsFlag('threads (default: about one a core); does not change the output'))
      .addOption(snapshotFlag())
      .option(
        '--reproducible',
        'the same bytes each time: UUID from the content, time from SOURCE_DATE_EPOCH; reads all data twice',
      )
      .addOption(barFlag())
      .option('-q, --quiet', 'print nothing but errors')
      .addOption(progressFlag())
      .addHelpText('after', EXAMPLES)
      .action((files: readonly string[], flags: UploadFlags) =>
        runUpload(requireSources(files.slice(0, -1)), files.at(-1) as string, flags, io),
      ),
  );
}

async function runUpload(
  sources: readonly string[],
  destination: string,
  flags: UploadFlags,
  io: CliIo,
): Promise<void> {
  const target = parseTarget(destination);
  const { plan: _, ...asked } = prepareOptions(target.key, flags, io);
  const journal = flags.resume === undefined ? undefined : fileJournal(flags.resume);
  const before = journal && (await journaledUpload(journal));
  if (before) requireSameRequest(before, destination, asked, flags);
  const { store, close } = await openStore(target, flags, io.env);
  try {
    const report = await withProgress(flags, io, async (onProgress) => {
      const { format, options, size, scan, reproducible, ...how } = asked;
      await using output = await prepare(
        inputsOf(sources, io),
        (before ? { ...how, plan: before.plan } : asked) as PrepareOptions,
      );
      const { parts, ...facts } = await uploadParts(output, store, {
        ...(flags.partSize !== undefined && { partSize: flags.partSize }),
        ...(flags.concurrency !== undefined && { concurrency: flags.concurrency }),
        ...(flags.retries !== undefined && { retries: flags.retries }),
        ...(journal && { resume: journal }),
        signal: io.signal,
        onProgress,
        onRetry: (notice) => tellRetry(notice, flags, io),
      });
      return { ...facts, partCount: parts.length };
    });
    if (flags.progress !== 'json' && !flags.quiet) io.err(summary(report, io.isTerminal));
  } finally {
    close();
  }
}

type Asked = Extract<PrepareOptions, { readonly plan?: undefined }>;

/** What is asked of the library. @throws OptionError `bad-option` */
function prepareOptions(key: string, flags: UploadFlags, io: CliIo): Asked {
  const format = outputFormat(flags.outputFormat, key);
  const { create, open } = sortOptions(flags.options, format, flags.inputFormat);
  return {
    format,
    options: { ...create, ...(flags.compress && compression(format)) },
    input: {
      ...(flags.inputFormat && { format: flags.inputFormat }),
      options: { ...open, ...(flags.snapshot !== undefined && { snapshot: flags.snapshot }) },
      ...trustRules(flags, io),
    },
    scan: flags.scan,
    signal: io.signal,
    ...(flags.size !== undefined && { size: flags.size }),
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(flags.maxExpansion !== undefined && { maxExpansion: flags.maxExpansion }),
    ...(flags.reproducible && { reproducible: { timestamp: sourceDateEpoch(io.env) } }),
  } as Asked; // checked against the declarations of the formats by the library
}

/** Is what the user asks for what the state is of? @throws OptionError `bad-option` */
function requireSameRequest(
  { target, plan, partSize }: JournaledUpload,
  destination: string,
  { format, options = {}, size }: Omit<Asked, 'plan'>,
  flags: UploadFlags,
): void {
  const { sizeUnit, createOptions } = formatNamed(format);
  const specs: OptionSpecs = createOptions;
  const differing = Object.entries(options).find(([name, value]) => plan.options[name] !== value)?.[0];
  const what =
    target !== destination
      ? `to ${target}`
      : plan.format !== format
        ? `of the format ${plan.format}`
        : differing !== undefined
          ? `with another ${specs[differing]?.name ?? differing}`
          : typeof size === 'number' && Math.ceil(size / sizeUnit) * sizeUnit !== plan.virtualSize
            ? `of a disk of ${plan.virtualSize} bytes`
            : flags.partSize !== undefined && flags.partSize !== partSize
              ? `in parts of ${partSize} bytes`
              : undefined;
  if (what === undefined) return;
  throw new OptionError('bad-option', `${flags.resume} has the state of an upload ${what}.`, {
    hint: 'Repeat the command that began it, or name another file.',
  });
}

function tellRetry({ what, attempt, waitMs, error }: RetryNotice, flags: UploadFlags, io: CliIo): void {
  const { message, storeCode, status } = error;
  if (flags.progress === 'json') {
    io.err(`${JSON.stringify({ event: 'retry', what, attempt, waitMs, message, storeCode, status })}\n`);
  } else if (!flags.quiet) {
    const line = `diskimg: retry ${attempt} of ${what} in ${(waitMs / 1000).toFixed(1)} s: ${message}\n`;
    io.err(io.isTerminal ? `\r\x1b[K${line}` : line);
  }
}

/** Notes always; what was done only for someone who watches. */
function summary(
  report: Omit<UploadReport, 'parts'> & { readonly partCount: number },
  isWatched: boolean,
): string {
  const { target, format, virtualSize, size, partCount, resumedParts, notes } = report;
  const resumed = resumedParts > 0 ? `, ${resumedParts} of them from before` : '';
  const line = `${target}: ${format}, virtual size ${humanSize(virtualSize)} (${virtualSize} bytes), object ${humanSize(size)} in ${partCount} parts${resumed}\n`;
  return renderNotes(notes) + (isWatched ? line : '');
}
