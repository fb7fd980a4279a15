/** `diskimg completion`. */

import { Argument, type Command } from 'commander';
import { completionOf } from '../completion.ts';
import { completionScript, type Shell, shells } from '../completion-scripts.ts';
import type { CliIo } from '../io.ts';

const EXAMPLES = `
Examples:
  diskimg completion bash > ~/.local/share/bash-completion/completions/diskimg
  diskimg completion zsh > ~/.zfunc/_diskimg
  diskimg completion fish > ~/.config/fish/completions/diskimg.fish
`;

export function addCompletion(program: Command, io: CliIo): Command {
  return program
    .command('completion')
    .description('print a script that lets a shell complete commands, options and formats')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell) => io.out(completionScript(shell, completionOf(program))));
}
