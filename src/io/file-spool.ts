/** What comes in one direction only, kept in a temporary file so that any part of it can be read. */

import { BudgetError, CorruptImageError, requireNotAborted } from '../errors.ts';
import { openFileSource } from './file-source.ts';
import { openTemporaryFile } from './file-temp.ts';
import type { ByteSource } from './source.ts';
import { dataRuns } from './zeros.ts';

/** Zeros are looked for in steps of this many bytes. */
const HOLE = 16 * 1024;

export interface Spooling {
  /** What to call it in messages. */
  readonly name: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** Bytes that are to come, where that is known. */
  readonly size?: number | undefined;
  /** Bytes that may come at most. */
  readonly maxBytes: number;
  /** Bytes of it that may be data, not zeros. */
  readonly maxDataBytes?: number | undefined;
  readonly revision?: string | undefined;
  readonly remarks?: ByteSource['remarks'];
  readonly wrapper?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes all of `body` into a temporary file, which goes when the source is closed.
 * @throws CorruptImageError `truncated` when less comes than was said; BudgetError; ImageIoError `write-failed`; what the
 * body throws
 */
export async function spoolToFile(spooling: Spooling): Promise<ByteSource> {
  const {
    name,
    body,
    size,
    maxBytes,
    maxDataBytes = Infinity,
    revision,
    remarks = [],
    wrapper,
    signal,
  } = spooling;
  const file = await openTemporaryFile();
  try {
    let written = 0;
    let data = 0;
    for await (const chunk of body) {
      requireNotAborted(signal);
      if (written + chunk.length > maxBytes) throw tooMuch(name, maxBytes);
      // Disks are mostly zeros, and unpacked ones the more: they take up nothing.
      for (const { start, end } of dataRuns(chunk, HOLE)) {
        data += end - start;
        if (data > maxDataBytes) throw tooLarge(name, maxDataBytes);
        await file.write(chunk.subarray(start, end), written + start);
      }
      written += chunk.length;
    }
    await file.resize(written);
    if (size !== undefined && written !== size) {
      throw new CorruptImageError('truncated', `${name} broke off after ${written} of ${size} bytes.`, {
        fileOffset: written,
        hint: 'Fetch it again.',
      });
    }
    const source = await openFileSource(file.path);
    return {
      ...source,
      name,
      ...(revision !== undefined && { revision }),
      remarks,
      ...(wrapper !== undefined && { wrapper }),
      async close() {
        await source.close();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const tooLarge = (name: string, maxBytes: number): BudgetError =>
  new BudgetError('over-budget', `${name} unpacks to more than ${maxBytes} bytes of data.`, {
    hint: 'This is how files are made that fill disks. If it is what you expect: --max-expansion.',
  });

const tooMuch = (name: string, maxBytes: number): BudgetError =>
  new BudgetError('over-budget', `${name} has more than ${maxBytes} bytes.`, {
    hint: 'If it is what you expect, allow more with --max-spool.',
  });
