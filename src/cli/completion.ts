/** What a shell can complete, read from the program itself: commands, options, and the values that are known. Pure. */

import type { Command, Option } from 'commander';
import { formats } from '../index.ts';
import { formatArgument, pairsArgument } from './options.ts';

export interface CompletedOption {
  /** `-f`, without the option has no short form. */
  readonly short?: string;
  /** `--input-format`. */
  readonly long: string;
  readonly about: string;
  /** What it takes: nothing, one of some words, or anything, such as a file. */
  readonly value: 'none' | 'any' | readonly string[];
}

export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly options: readonly CompletedOption[];
  /** The words that its argument can be; undefined: files. */
  readonly words: readonly string[] | undefined;
}

export interface Completion {
  readonly program: string;
  readonly options: readonly CompletedOption[];
  readonly commands: readonly CompletedCommand[];
}

export function completionOf(program: Command): Completion {
  const commands = program.commands.map((command): CompletedCommand => {
    const [argument] = command.registeredArguments;
    return {
      name: command.name(),
      about: command.description(),
      options: [...command.options.map(completedOption), HELP],
      words: command.registeredArguments.length === 0 ? [] : argument?.argChoices,
    };
  });
  const names = commands.map(({ name }) => name);
  const help = { name: 'help', about: 'print help for a command', options: [], words: names };
  return {
    program: program.name(),
    options: [...program.options.map(completedOption), HELP],
    commands: [...commands, help],
  };
}

const HELP: CompletedOption = {
  short: '-h',
  long: '--help',
  about: 'print help, with examples',
  value: 'none',
};

function completedOption(option: Option): CompletedOption {
  const { short, long, description } = option;
  return {
    ...(short && long && { short }),
    long: (long ?? short) as string,
    about: description,
    value: option.required || option.optional ? (wordsFor(option) ?? 'any') : 'none',
  };
}

/** The words that an option takes, as far as they are known. */
function wordsFor({ argChoices, parseArg }: Option): readonly string[] | undefined {
  if (argChoices) return argChoices;
  if (parseArg === formatArgument) return formats.flatMap(({ name, aliases }) => [name, ...aliases]);
  if (parseArg === pairsArgument) return optionNames();
  return undefined;
}

/** `name=`, for every option of `-o` that some format has. */
function optionNames(): readonly string[] {
  const names = formats.flatMap(({ createOptions, openOptions }) =>
    [...Object.values(createOptions), ...Object.values(openOptions)].map(({ name }) => `${name}=`),
  );
  return [...new Set(names)];
}
