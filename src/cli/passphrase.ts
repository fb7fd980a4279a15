/** Where passphrases come from: a file, the environment, or the person at the terminal; never the command line itself. */

import {
  type EncryptedFile,
  OptionError,
  type Passphrase,
  readPassphrase,
  type Secret,
  UnsupportedFeatureError,
} from '../index.ts';
import type { CliIo } from './io.ts';

export const PASSPHRASE_VARIABLE = 'DISKIMG_PASSPHRASE';

/** Of an image that is written, where that one gets another passphrase. */
export const OUTPUT_PASSPHRASE_VARIABLE = 'DISKIMG_OUTPUT_PASSPHRASE';

/** What it takes to find a passphrase. */
export type SecretIo = Pick<CliIo, 'env' | 'askSecret'>;

/**
 * The passphrase of the images that a command reads. Found when an image turns out to need it, and once for each.
 * @param file of `--passphrase-file`
 */
export function passphraseOf(file: string | undefined, io: SecretIo): Passphrase {
  const found = new Map<string, Promise<Secret>>();
  return ({ name, format }) => {
    let secret = found.get(name);
    if (secret === undefined) {
      secret = findSecret(file, { name, format }, io);
      found.set(name, secret);
    }
    return secret;
  };
}

/** @throws UnsupportedFeatureError `encrypted` when there is none; what {@link readPassphrase} throws */
async function findSecret(
  file: string | undefined,
  { name, format }: EncryptedFile,
  io: SecretIo,
): Promise<Secret> {
  const given = file === undefined ? variableOf(io, PASSPHRASE_VARIABLE) : await readPassphrase(file);
  if (given !== undefined) return given;
  if (io.askSecret) return io.askSecret(`Passphrase of ${name}: `);
  throw new UnsupportedFeatureError('encrypted', `${name} is encrypted, and no passphrase was given.`, {
    format,
    hint: `Give it with --passphrase-file, or in ${PASSPHRASE_VARIABLE}.`,
  });
}

const variableOf = ({ env }: SecretIo, name: string): string | undefined => env[name] || undefined;

/**
 * The passphrase of an image that is written. A new one is asked for twice.
 * @param file of the flag for it
 * @param sourceFile of the flag for the images that are read, whose passphrase stands in
 */
export function outputPassphraseOf(
  file: string | undefined,
  sourceFile: string | undefined,
  io: SecretIo,
): Passphrase {
  return async ({ name }) => {
    if (file !== undefined) return readPassphrase(file);
    const given = variableOf(io, OUTPUT_PASSPHRASE_VARIABLE);
    if (given !== undefined) return given;
    if (sourceFile !== undefined) return readPassphrase(sourceFile);
    const sources = variableOf(io, PASSPHRASE_VARIABLE);
    if (sources !== undefined) return sources;
    if (io.askSecret === undefined) {
      throw new OptionError('bad-option', `${name} is to be encrypted, and no passphrase was given.`, {
        hint: `Give it with --passphrase-file, or in ${PASSPHRASE_VARIABLE}.`,
      });
    }
    const first = await io.askSecret(`New passphrase of ${name}: `);
    if (first === (await io.askSecret('The same again: '))) return first;
    throw new OptionError('bad-option', 'The two passphrases are not the same.', { hint: 'Try again.' });
  };
}
