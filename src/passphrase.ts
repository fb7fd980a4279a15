/** Passphrases of encrypted images: given, or asked for when an image turns out to need one; and read from files. */

import { OptionError } from './errors.ts';
import { readSmallFile } from './io/file-small.ts';

/** A passphrase, or a key file's bytes. Text is taken as UTF-8. */
export type Secret = string | Uint8Array;

/** An image that needs a passphrase. */
export interface EncryptedFile {
  readonly name: string;
  readonly format: string;
}

/** What unlocks encrypted images: one secret for all, or a function that is asked once for each. */
export type Passphrase = Secret | ((image: EncryptedFile) => Secret | Promise<Secret>);

export async function passphraseBytes(passphrase: Passphrase, image: EncryptedFile): Promise<Uint8Array> {
  const secret = typeof passphrase === 'function' ? await passphrase(image) : passphrase;
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
  if (bytes.length > 0) return bytes;
  throw new OptionError('bad-option', `The passphrase for ${image.name} is empty.`, {
    hint: 'Give the one that the image was encrypted with.',
  });
}

/** Key files of cryptsetup have at most this many bytes. */
const MAX_FILE = 8 * 1024 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The passphrase in a file or a pipe: all of its bytes but one line break at their end, which editors and `echo` add.
 * @throws ImageIoError when it cannot be read; OptionError `bad-option` when it is empty or larger than 8 MiB
 */
export async function readPassphrase(path: string): Promise<Uint8Array> {
  const bytes = await readSmallFile(path, MAX_FILE);
  if (bytes === undefined) {
    throw new OptionError(
      'bad-option',
      `${path} has more than ${MAX_FILE} bytes: it is no file with a passphrase.`,
      {
        hint: 'Name a file that holds the passphrase and nothing else.',
      },
    );
  }
  const length = bytes.length - lineBreakAt(bytes);
  if (length > 0) return bytes.slice(0, length);
  throw new OptionError('bad-option', `There is no passphrase in ${path}.`, {
    hint: 'Write it into the file, on one line.',
  });
}

/** How many bytes a line break at the end of `bytes` takes. */
function lineBreakAt(bytes: Uint8Array): number {
  if (bytes.at(-1) !== LINE_FEED) return 0;
  return bytes.at(-2) === CARRIAGE_RETURN ? 2 : 1;
}
