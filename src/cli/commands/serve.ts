/** `diskimg serve`. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  CancelledError,
  type FormatName,
  OptionError,
  type ServedRequest,
  type ServeOptions,
  serveImage,
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
import { outputFormat, type Pair, sortOptions, sourceDateEpoch, virtualSizeArgument } from '../options.ts';
import { barFlag, type ProgressFlags, progressFlag, withProgress } from '../progress.ts';
import { renderNotes } from '../render.ts';
import { renderError } from '../render-error.ts';

interface ServeFlags extends ProgressFlags, TrustFlags {
  readonly inputFormat?: FormatName;
  readonly outputFormat?: FormatName;
  readonly compress?: true;
  readonly options: readonly Pair[];
  readonly host?: string;
  readonly port: number;
  readonly name?: string;
  readonly once?: true;
  readonly spoolOutput?: true;
  readonly size?: number | 'original';
  readonly scan: 'metadata' | 'data';
  readonly threads?: number;
  readonly snapshot?: string;
  readonly reproducible?: true;
}

const EXAMPLES = `
Examples:
  diskimg serve -O vhd disk.qcow2                       # prints the URL; until it is interrupted
  diskimg serve -O qcow2 --port 8080 --once disk.zvhd2
  diskimg serve -O zvhd2 --spool-output disk.qcow2

Nothing is converted before it is asked for. Downloads can be resumed, also from another process that serves the same
source with the same options, and parts may be fetched in any order. zvhd, zvhd2 and compressed vmdk come without a
size and without ranges, unless --spool-output makes them in a temporary file first; a compressed qcow2 always is.
Everyone on this machine can read the image while it is served, and with --host whoever reaches that address.
`;

function portArgument(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Expected a port: 0 (any that is free) to 65535.');
  }
  return Number(text);
}

export function addServe(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('serve')
      .description('serve an image in another format over HTTP, converted while it is downloaded')
      .argument('<sources...>', 'images to read, several one behind the other')
      .addOption(formatFlag('-f, --input-format <format>', 'format of the source; by default its bytes tell'))
      .addOption(
        formatFlag('-O, --output-format <format>', 'format to serve; by default the ending of --name'),
      )
      .option('-c, --compress', 'compress the data (qcow2; zvhd and zvhd2 always do)')
      .addOption(optionsFlag('options of the format'))
      .addOption(
        new Option('--port <number>', 'port to listen on; 0: any that is free')
          .argParser(portArgument)
          .default(0),
      )
      .option(
        '--host <address>',
        'address to listen on (default: 127.0.0.1); requests for other hosts are refused',
      )
      .option(
        '--name <name>',
        "name of the file in the URL (default: the source's, with the ending of the format)",
      )
      .option('--once', 'end when all of the file has been downloaded')
      .option(
        '--spool-output',
        'make it in a temporary file first, where it would have no size and no ranges',
      )
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
        'UUID from the content, time from SOURCE_DATE_EPOCH, as convert has it: reads all data first',
      )
      .addOption(barFlag())
      .option('-q, --quiet', 'print nothing but the URL and errors')
      .addOption(progressFlag())
      .addHelpText('after', EXAMPLES)
      .action((sources: readonly string[], flags: ServeFlags) => runServe(sources, flags, io)),
  );
}

async function runServe(sources: readonly string[], flags: ServeFlags, io: CliIo): Promise<void> {
  const tells = !flags.quiet && flags.progress !== 'json';
  const options = serveOptions(flags, io);
  await withProgress(flags, io, async (onProgress) => {
    await using server = await serveImage(inputsOf(sources, io), {
      ...options,
      onProgress: ({ doneBytes, totalBytes, madeBytes }) =>
        onProgress({ doneBytes, totalBytes, ...{ writtenBytes: madeBytes } }),
      onRequest: (request) => tellRequest(request, flags, io),
    });
    const { url, size, virtualSize, notes, downloaded } = server;
    if (tells) io.err(renderNotes(notes));
    io.out(`${url}\n`);
    const stopped = untilAborted(io.signal);
    if (flags.once) {
      await Promise.race([downloaded, stopped]);
      if (io.signal.aborted) throw new CancelledError({ cause: io.signal.reason });
    } else {
      await stopped;
    }
    return { url, fileSize: size, virtualSize, notes };
  });
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** @throws OptionError `bad-option` */
function serveOptions(flags: ServeFlags, io: CliIo): ServeOptions {
  if (flags.outputFormat === undefined && flags.name === undefined) {
    throw new OptionError('bad-option', 'Nothing tells in which format to serve.', {
      hint: 'Say it with -O.',
    });
  }
  const format = outputFormat(flags.outputFormat, flags.name ?? '');
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
    port: flags.port,
    signal: io.signal,
    ...(flags.host !== undefined && { host: flags.host }),
    ...(flags.name !== undefined && { name: flags.name }),
    ...(flags.spoolOutput && { spool: true }),
    ...(flags.size !== undefined && { size: flags.size }),
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(flags.maxExpansion !== undefined && { maxExpansion: flags.maxExpansion }),
    ...(flags.reproducible && { reproducible: { timestamp: sourceDateEpoch(io.env) } }),
  } as ServeOptions; // checked against the declarations of the formats by the library
}

function tellRequest(request: ServedRequest, flags: ServeFlags, io: CliIo): void {
  const { client, method, path, range, status, sentBytes, isComplete, error } = request;
  if (flags.progress === 'json') {
    const message = error instanceof Error ? error.message : undefined;
    const event = { client, method, path, range, status, sentBytes, isComplete, message };
    io.err(`${JSON.stringify({ event: 'request', ...event })}\n`);
    return;
  }
  if (error !== undefined) io.err(renderError(error, { verbose: false }));
  if (flags.quiet) return;
  const asked = [client, method, path, ...(range === undefined ? [] : [range])].join(' ');
  io.err(`${printable(asked)}: ${status}, ${sentBytes} bytes${isComplete ? '' : ', broken off'}\n`);
}

/** A client's words could move the cursor of the terminal. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?');
