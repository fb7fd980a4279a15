/** `diskimg formats`. */

import { type Command, Option } from 'commander';
import { formats } from '../../index.ts';
import type { CliIo } from '../io.ts';
import { formatsAsJson, renderFormats } from '../render.ts';

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
      const asJson = () => `${JSON.stringify(formatsAsJson(formats), undefined, 4)}\n`;
      io.out(output === 'json' ? asJson() : renderFormats(formats));
    });
}
