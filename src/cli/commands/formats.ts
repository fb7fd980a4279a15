/** `diskimg formats`. */

import { type Command, Option } from 'commander';
import { formats } from '../../index.ts';
import type { CliIo } from '../io.ts';
import { asJson, formatsAsJson, renderFormats } from '../render.ts';

const EXAMPLES = `
Examples:
  diskimg formats
  diskimg formats --output json
`;

export function addFormats(program: Command, io: CliIo): Command {
  return program
    .command('formats')
    .description('list the formats and their options')
    .addOption(
      new Option('--output <kind>', 'for people, or as JSON').choices(['human', 'json']).default('human'),
    )
    .addHelpText('after', EXAMPLES)
    .action(({ output }: { readonly output: 'human' | 'json' }) => {
      io.out(output === 'json' ? asJson(formatsAsJson(formats)) : renderFormats(formats));
    });
}
