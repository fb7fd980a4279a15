/** Writes a converted image as the one member of a tar archive that is packed with gzip, in one pass. */

import { randomBytes } from 'node:crypto';
import { tarEnd, tarHeader } from './binary/tar.ts';
import { gzipped } from './codecs/gzip.ts';
import { BudgetError, OptionError } from './errors.ts';
import { createFileOutput, requireOtherFile } from './io/file-output.ts';
import { openFileTarget } from './io/file-target.ts';
import { type ByteSource, holdingPath } from './io/source.ts';
import { type PrepareOptions, prepare } from './prepare.ts';
import type { PreparedProgress } from './prepared/output.ts';

export interface ArchiveOptions {
  readonly member: string;
  readonly prepare: PrepareOptions;
  readonly flush: boolean;
  readonly maxOutputBytes: number;
  readonly onProgress?: ((progress: PreparedProgress) => void) | undefined;
}

/**
 * The file appears under its name when it is complete and flushed. The same disk makes the same bytes.
 * @returns bytes of the archive, and of the disk in it
 * @throws what {@link prepare} throws; ImageIoError `write-failed`, `same-file`; BudgetError
 */
export async function writeArchive(
  input: ByteSource,
  outputPath: string,
  { member, prepare: how, flush, maxOutputBytes, onProgress }: ArchiveOptions,
): Promise<{
  readonly fileSize: number;
  readonly virtualSize: number;
  readonly notes: readonly { code: string; message: string }[];
}> {
  await requireOtherFile(holdingPath(input.descriptor), outputPath);
  await using output = await prepare(input, how);
  if (output.kind !== 'addressable') {
    throw new OptionError(
      'bad-option',
      `A ${output.format} has no size before it is made, and an archive needs one.`,
    );
  }
  const { size, virtualSize, notes } = output;
  const { signal } = how;
  async function* archive(): AsyncGenerator<Uint8Array> {
    yield tarHeader(member, size);
    yield* output.stream({ ...(signal && { signal }), ...(onProgress && { onProgress }) });
    yield tarEnd(size);
  }
  const file = await createFileOutput(outputPath, randomBytes(4).toString('hex'), { flushes: flush });
  try {
    const target = openFileTarget(file.partialPath);
    let fileSize = 0;
    try {
      for await (const chunk of gzipped(archive())) {
        if (fileSize + chunk.length > maxOutputBytes) throw tooLarge(maxOutputBytes);
        await target.write([chunk], fileSize);
        fileSize += chunk.length;
      }
    } finally {
      await target.close();
    }
    await output.requireUnchanged();
    await file.commit(signal);
    return { fileSize, virtualSize, notes };
  } finally {
    await file.abandon();
  }
}

const tooLarge = (most: number): BudgetError =>
  new BudgetError('over-budget', `The output has more than ${most} bytes.`, {
    hint: 'Allow more with --max-output.',
  });
