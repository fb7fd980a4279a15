/** What an encrypted output is encrypted with: a key of chance, behind a passphrase that takes a while to try. */

import { randomBytes, randomUUID } from 'node:crypto';
import { encodeLuks1, TRIAL_ITERATIONS, tryIterations, VOLUME_KEY_BYTES } from './encryption/luks1.ts';
import { OptionError } from './errors.ts';
import type { OutputEncryption } from './image/encryption.ts';
import { type Passphrase, passphraseBytes } from './passphrase.ts';

/** As cryptsetup and QEMU have it. */
const DEFAULT_MILLISECONDS = 2000;

/** Fewer protect nothing. */
const MIN_ITERATIONS = 1000;

export interface Encrypting {
  readonly encryption: OutputEncryption;
  /** What opens the output. */
  readonly passphrase: Uint8Array;
}

/**
 * @returns undefined where the options of the format ask for no encryption
 * @throws OptionError `bad-option` when they do, and there is no passphrase
 */
export async function outputEncryption(
  output: { readonly name: string; readonly format: string },
  { encryptFormat, encryptIterTime }: Readonly<Record<string, unknown>>,
  given: Passphrase | undefined,
): Promise<Encrypting | undefined> {
  if (encryptFormat === undefined) return undefined;
  if (given === undefined) {
    throw new OptionError('bad-option', 'The output is to be encrypted, and there is no passphrase for it.', {
      format: output.format,
      hint: 'Give one: --output-passphrase-file, or outputPassphrase in the library.',
    });
  }
  const passphrase = await passphraseBytes(given, output);
  const volumeKey = new Uint8Array(randomBytes(VOLUME_KEY_BYTES));
  const milliseconds = typeof encryptIterTime === 'number' ? encryptIterTime : DEFAULT_MILLISECONDS;
  const header = await encodeLuks1({
    volumeKey,
    passphrase,
    uuid: randomUUID(),
    random: (length) => new Uint8Array(randomBytes(length)),
    iterations: await iterationsFor(milliseconds),
  });
  return { encryption: { volumeKey, header }, passphrase };
}

/** How many iterations this machine does in so many milliseconds. */
async function iterationsFor(milliseconds: number): Promise<number> {
  const start = performance.now();
  await tryIterations();
  const took = performance.now() - start;
  return Math.max(MIN_ITERATIONS, Math.floor((TRIAL_ITERATIONS * milliseconds) / took));
}
