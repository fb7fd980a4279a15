/** The command line: which commands there are, and what they take. */

import { Command, Option } from 'commander';
import { addCat } from './commands/cat.ts';
import { addCheck } from './commands/check.ts';
import { addCompare } from './commands/compare.ts';
import { addCompletion } from './commands/completion.ts';
import { addConvert } from './commands/convert.ts';
import { addCreate } from './commands/create.ts';
import { addDigest } from './commands/digest.ts';
import { addFormats } from './commands/formats.ts';
import { addInfo } from './commands/info.ts';
import { addMap } from './commands/map.ts';
import { addMeasure } from './commands/measure.ts';
import { addPreflight } from './commands/preflight.ts';
import { addResize } from './commands/resize.ts';
import { addServe } from './commands/serve.ts';
import { addUpload } from './commands/upload.ts';
import type { CliIo } from './io.ts';
import { addForeignFlags } from './qemu-flags.ts';
import { versionText } from './version.ts';

export function createProgram(io: CliIo): Command {
  const program = new Command('diskimg')
    .description('Converts virtual disk images: exact sizes, loud failures, all cores.')
    .version(versionText(process.versions), '-V, --version', 'print the version, and what is built in')
    .helpOption('-h, --help', 'print help, with examples')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('Try diskimg help.');
  for (const add of [
    addConvert,
    addPreflight,
    addUpload,
    addServe,
    addCompare,
    addDigest,
    addCat,
    addInfo,
    addCheck,
    addFormats,
    addMap,
    addMeasure,
    addCreate,
    addResize,
    addCompletion,
  ]) {
    const command = add(program, io);
    command.addOption(new Option('--verbose', 'with an error, print what caused it'));
    addForeignFlags(command);
  }
  return program;
}
