/** Does an output hold the same disk as its input? Read back through its own reader, and compared by digest. */

import { type DigestOptions, digestOpened } from './digest.ts';
import { CorruptImageError } from './errors.ts';
import type { FormatName } from './formats/index.ts';
import { type OpenedImage, openImage } from './open.ts';

/**
 * The digest of both disks.
 * @param output the file, complete but perhaps not under its name yet
 * @param virtualSize bytes of the output's disk; past the end of a smaller input it has zeros
 * @throws CorruptImageError `verify-failed` when they differ
 */
export async function sameDigest(
  input: OpenedImage,
  output: {
    readonly path: string;
    readonly format: FormatName;
    readonly passphrase?: Uint8Array | undefined;
  },
  virtualSize: number,
  { threads, signal }: Pick<DigestOptions, 'threads' | 'signal'>,
): Promise<string> {
  const how = {
    size: virtualSize,
    ...(threads !== undefined && { threads }),
    ...(signal && { signal }),
  };
  const before = await digestOpened(input, how);
  await using image = await openImage(output.path, {
    format: output.format,
    ...(output.passphrase && { passphrase: output.passphrase }),
  });
  const after = await digestOpened(image, how);
  if (before.digest === after.digest) return before.digest;
  throw new CorruptImageError('verify-failed', 'The output does not hold the same disk as the input.', {
    hint: 'Nothing was kept. The memory or the disk of this machine may be failing; or this is a bug of diskimg.',
  });
}
