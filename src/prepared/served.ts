/** A prepared output as a server offers it: ranges that are rendered when they are asked for, or a pass for each client. */

import { createHash } from 'node:crypto';
import type { ByteRange } from '../io/source.ts';
import { cuts } from './addressable.ts';
import type { AddressableOutput, PreparedOutput, PreparedProgress } from './output.ts';
import { type Spool, spoolParts } from './spool.ts';
import { madeAhead } from './stream.ts';

/** Bytes that are made and sent at a time, */
const WINDOW = 1024 * 1024;
/** and how many of them a client has under way beside the one that is being sent. */
const AHEAD = 2;

export interface ServedContent {
  /** Bytes; undefined for what is made anew for each client: only its end tells. */
  readonly size: number | undefined;
  /** SHA-256 in hexadecimal digits, where all bytes have been seen. */
  readonly digest?: string;
  /** A range, or all where there are none. @throws what reading the source throws; CancelledError */
  bytes(range: ByteRange | 'all', signal: AbortSignal): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** @throws ImageIoError `source-changed` */
  requireUnchanged(): Promise<void>;
  /** Closes the output, too. */
  close(): Promise<void>;
}

export interface ServedOptions {
  readonly spool?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: PreparedProgress) => void) | undefined;
}

/** @throws what reading the source throws, and ImageIoError `write-failed`, when it is spooled */
export async function servedContent(
  output: PreparedOutput,
  { spool, signal, onProgress }: ServedOptions,
): Promise<ServedContent> {
  if (output.kind === 'addressable') return rendered(output);
  if (!spool && !output.isHeadLast) {
    return {
      size: undefined,
      bytes: (_, stop) => output.stream({ signal: stop }),
      requireUnchanged: output.requireUnchanged,
      close: output.close,
    };
  }
  const parts = output.parts(WINDOW, { ...(signal && { signal }), ...(onProgress && { onProgress }) });
  const file = await spoolParts(parts, output.requireUnchanged);
  // The file stays as it is, whatever becomes of the source.
  await output.close();
  return kept(file);
}

const rendered = (output: AddressableOutput): ServedContent => ({
  size: output.size,
  bytes: (range, signal) =>
    windows(range, output.size, async (start, end) => {
      const bytes = await output.read(start, end, signal);
      // Only what was read before the source changed may leave.
      await output.requireUnchanged();
      return bytes;
    }),
  requireUnchanged: output.requireUnchanged,
  close: output.close,
});

async function kept(file: Spool): Promise<ServedContent> {
  const hash = createHash('sha256');
  for await (const bytes of windows('all', file.size, file.read)) hash.update(bytes);
  return {
    size: file.size,
    digest: hash.digest('hex'),
    bytes: (range) => windows(range, file.size, file.read),
    requireUnchanged: async () => {},
    close: file.close,
  };
}

function windows(
  range: ByteRange | 'all',
  size: number,
  read: (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { start, end } = range === 'all' ? { start: 0, end: size } : range;
  return madeAhead(cuts(start, end, WINDOW), AHEAD, ({ start: from, end: to }) => read(from, to));
}
