/** Makes new images: empty disks, and overlays over other images. */

import { randomBytes } from 'node:crypto';
import { contentDigest } from './conversion/block-digest.ts';
import { createOutput, finishOutput } from './conversion/output.ts';
import { roundedSize } from './conversion/size.ts';
import type { OutputFormat } from './convert.ts';
import { OptionError } from './errors.ts';
import { type FormatName, writableFormatNamed } from './formats/index.ts';
import { contentIdentity, freshIdentity } from './identity.ts';
import type { Format } from './image/format.ts';
import { resolveOptions } from './image/options.ts';
import type { Note } from './image/reader.ts';
import type { Writer } from './image/writer.ts';
import { createFileOutput } from './io/file-output.ts';
import { openFileTarget } from './io/file-target.ts';
import { outputEncryption } from './output-encryption.ts';
import { type BackingFile, overlayBase } from './overlay-base.ts';
import type { Passphrase } from './passphrase.ts';

export type CreateImageOptions = OutputFormat & {
  /** The virtual size in bytes; with a backing file by default that file's. */
  readonly size?: number;
  /** What the new image builds on, where its format has overlays. */
  readonly backing?: BackingFile;
  /** For options that encrypt (`encryptFormat`): what will open the image. */
  readonly passphrase?: Passphrase;
  /** Is the file flushed to its disk before it gets its name? True by default. */
  readonly flush?: boolean;
  /** Take UUID and time from the content and `timestamp` (seconds since 1970), not from chance and clock. */
  readonly reproducible?: { readonly timestamp: number };
};

export interface CreateReport {
  readonly filename: string;
  readonly format: FormatName;
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
  /** Bytes of the file. */
  readonly fileSize: number;
  readonly backingFile?: string;
  readonly notes: readonly Note[];
}

/**
 * Creates the image file `path`. As with a conversion it appears under its name when it is complete and flushed; an
 * existing file is replaced then, and not before.
 * @throws OptionError `bad-option`, `bad-size`; ImageIoError `write-failed`, `not-found`, `same-file`; what
 * `openImage` throws, for the backing file
 */
export async function createImage(path: string, options: CreateImageOptions): Promise<CreateReport> {
  const format = writableFormatNamed(options.format);
  const createOptions = resolveOptions(format.createOptions, options.options ?? {}, format.name);
  const base = options.backing && (await overlayBase(path, format, options.backing));
  const size = roundedSize(requireGiven(options.size ?? base?.opened?.virtualSize), format.sizeUnit);
  const encrypting = await outputEncryption(
    { name: path, format: format.name },
    createOptions,
    options.passphrase,
  );
  const writer = format.writer(size.bytes, createOptions, { base, encryption: encrypting?.encryption });
  return {
    filename: path,
    format: format.name,
    virtualSize: size.bytes,
    fileSize: await writeEmpty(path, format, writer, options),
    ...(base && { backingFile: base.name }),
    notes: size.notes,
  };
}

/** Writes an image of no blocks: what a conversion does at its end. Returns the size of the file. */
async function writeEmpty(
  path: string,
  format: Format<FormatName>,
  writer: Writer,
  { flush = true, reproducible }: CreateImageOptions,
): Promise<number> {
  const identity = reproducible
    ? contentIdentity(contentDigest().finish(), format.name, writer.virtualSize, reproducible.timestamp)
    : freshIdentity(path);
  const file = await createFileOutput(path, randomBytes(4).toString('hex'), { flushes: flush });
  try {
    const target = openFileTarget(file.partialPath);
    let fileSize: number;
    try {
      fileSize = await finishOutput(createOutput(writer), target, identity);
    } finally {
      await target.close();
    }
    await file.resize(fileSize);
    await file.commit();
    return fileSize;
  } finally {
    await file.abandon();
  }
}

function requireGiven(size: number | undefined): number {
  if (size !== undefined) return size;
  throw new OptionError('bad-size', 'No size was given.', {
    hint: 'Give the virtual size, such as 40G; only a backing file that is opened tells one.',
  });
}
