/** The command line: which commands there are, and what they take. */

import { Command, Option } from 'commander';
import type { CliIo } from './io.ts';
import { addForeignFlags } from './qemu-flags.ts';
import { versionText } from './version.ts';

type AddCommand = (program: Command, io: CliIo) => Command;

/** In the order of the help. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  convert: async () => (await import('./commands/convert.ts')).addConvert,
  preflight: async () => (await import('./commands/preflight.ts')).addPreflight,
  upload: async () => (await import('./commands/upload.ts')).addUpload,
  serve: async () => (await import('./commands/serve.ts')).addServe,
  compare: async () => (await import('./commands/compare.ts')).addCompare,
  digest: async () => (await import('./commands/digest.ts')).addDigest,
  cat: async () => (await import('./commands/cat.ts')).addCat,
  info: async () => (await import('./commands/info.ts')).addInfo,
  check: async () => (await import('./commands/check.ts')).addCheck,
  formats: async () => (await import('./commands/formats.ts')).addFormats,
  map: async () => (await import('./commands/map.ts')).addMap,
  measure: async () => (await import('./commands/measure.ts')).addMeasure,
  create: async () => (await import('./commands/create.ts')).addCreate,
  resize: async () => (await import('./commands/resize.ts')).addResize,
  completion: async () => (await import('./commands/completion.ts')).addCompletion,
};

/** It tells of all the others. */
const COMPLETION = 'completion';

/**
 * @param named what the command line begins with: where that is a command, it is the only one that is loaded, since to load
 * all of them takes longer than a short command does
 */
export async function createProgram(io: CliIo, named: string | undefined): Promise<Command> {
  const program = new Command('diskimg')
    .description('Converts virtual disk images: exact sizes, loud failures, all cores.')
    .version(versionText(process.versions), '-V, --version', 'print the version, and what is built in')
    .helpOption('-h, --help', 'print help, with examples')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError('Try diskimg help.');
  const all = Object.entries(commands);
  const only = all.filter(([name]) => name === named && name !== COMPLETION);
  const wanted = only.length > 0 ? only : all;
  for (const add of await Promise.all(wanted.map(([, load]) => load()))) {
    const command = add(program, io);
    command.addOption(new Option('--verbose', 'with an error, print what caused it'));
    addForeignFlags(command);
  }
  return program;
}
