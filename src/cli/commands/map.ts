/** `diskimg map`. */

import { type Command, Option } from 'commander';
import { CancelledError, type MapEntry, mapFiles, mapImage, openImage } from '../../index.ts';
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
import { mapHeading, mapRow } from '../render-map.ts';

interface MapFlags extends ImageFlags, OutputFlags {
  readonly startOffset?: number;
  readonly maxLength?: number;
}

const EXAMPLES = `
Examples:
  diskimg map disk.qcow2
  diskimg map --output json disk.vhd
  diskimg map --start-offset 1G --max-length 64M disk.qcow2
`;

export function addMap(program: Command, io: CliIo): Command {
  return addTrustFlags(
    program
      .command('map')
      .description('tell which parts of a disk are data, which are zeros, and where they stand in the file')
      .argument('<image>', 'image to read')
      .addOption(inputFormatFlag())
      .addOption(optionsFlag('options for reading'))
      .addOption(outputFlag())
      .addOption(
        new Option('--start-offset <offset>', 'begin at this byte of the disk').argParser(sizeArgument),
      )
      .addOption(new Option('--max-length <length>', 'end after this many bytes').argParser(sizeArgument))
      .addHelpText('after', EXAMPLES)
      .action(async (path: string, flags: MapFlags) => {
        const { startOffset: start, maxLength: length, output } = flags;
        await using image = await openImage(inputOf(path, io), openingOf(flags, io));
        const entries = mapImage(image, {
          ...(start !== undefined && { start }),
          ...(length !== undefined && { length }),
        });
        const files = mapFiles(image);
        const chunks = output === 'json' ? jsonChunks(entries) : tableChunks(entries, files);
        await print(chunks, io);
      }),
  );
}

/** Maps can be long: what is printed is gathered to some KiB, and never held as a whole. */
const CHUNK = 64 * 1024;

async function print(parts: AsyncIterable<string>, { out, signal }: CliIo): Promise<void> {
  let chunk = '';
  for await (const part of parts) {
    if (signal.aborted) throw new CancelledError({ cause: signal.reason });
    chunk += part;
    if (chunk.length < CHUNK) continue;
    out(chunk);
    chunk = '';
  }
  out(chunk);
}

/** An entry a line, as qemu-img prints them. */
async function* jsonChunks(entries: AsyncIterable<MapEntry>): AsyncGenerator<string> {
  let before = '[';
  for await (const entry of entries) {
    yield `${before}${JSON.stringify(entry)}`;
    before = ',\n';
  }
  yield before === '[' ? '[]\n' : ']\n';
}

async function* tableChunks(
  entries: AsyncIterable<MapEntry>,
  files: readonly string[],
): AsyncGenerator<string> {
  yield mapHeading;
  for await (const entry of entries) yield mapRow(entry, files);
}
