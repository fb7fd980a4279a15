/** Bytes in. A source knows nothing of images; readers and workers read through it. */

import { CorruptImageError } from '../errors.ts';

/** A half-open range of bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A file or a block device. */
export interface FileDescriptor {
  readonly kind: 'file';
  readonly path: string;
  /** Tells the file from any other, before or after, that has its name: who opens it again compares. */
  readonly version?: string;
}

/** A file behind HTTP, as its first answer has it; later ones are compared with that. */
export interface HttpDescriptor {
  readonly kind: 'http';
  /** After redirects. */
  readonly url: string;
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly retries: number;
  /** Milliseconds without a byte after which a request is given up. */
  readonly timeout: number;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** A range of another one: a member of an archive, which is not unpacked. */
export interface PartDescriptor {
  readonly kind: 'part';
  readonly name: string;
  readonly whole: FileDescriptor | HttpDescriptor;
  readonly wholeSize: number;
  /** Where the range begins. */
  readonly start: number;
}

/** How another thread opens the same bytes. */
export type SourceDescriptor = FileDescriptor | HttpDescriptor | PartDescriptor;

/** The file that a source is, where it is one. */
export const pathOf = ({ descriptor }: ByteSource): string | undefined =>
  descriptor?.kind === 'file' ? descriptor.path : undefined;

/** What holds the bytes: of a part, what it is a part of. */
export const wholeOf = (descriptor: SourceDescriptor): FileDescriptor | HttpDescriptor =>
  descriptor.kind === 'part' ? descriptor.whole : descriptor;

/** The file that holds the bytes, where one does. */
export function holdingPath(descriptor: SourceDescriptor | undefined): string | undefined {
  const whole = descriptor && wholeOf(descriptor);
  return whole?.kind === 'file' ? whole.path : undefined;
}

export interface ByteSource {
  /** What to call it in messages. */
  readonly name: string;
  /** Bytes, fixed while the source is open. */
  readonly size: number;
  /** Changes when the bytes do, and is the same for a faithful copy: a time or an entity tag, where one is known. */
  readonly revision?: string;
  /** What a user should know of how it came to be. */
  readonly remarks?: readonly { readonly code: string; readonly message: string }[];
  /** What it was compressed with as a whole, before it was unpacked: `gzip`. */
  readonly wrapper?: string;
  /** The archive that it stands in, and its name there. */
  readonly takenFrom?: {
    readonly archive: string;
    readonly kind: 'ova' | 'tar';
    readonly member: string;
  };
  /** Bytes that it takes up on its disk, where that is known. */
  readonly allocatedSize?: number;
  /** Present when a worker thread can open the source again; without it a conversion stays on one thread. */
  readonly descriptor?: SourceDescriptor;
  /**
   * Fills all of `into` from `fileOffset`.
   * @throws CorruptImageError `truncated` when the source ends first, ImageIoError `read-failed`
   */
  read(into: Uint8Array, fileOffset: number): Promise<void>;
  /** The ranges within [start, end) that may hold data, in order; everything between them is known to be zero. */
  dataRanges?(start: number, end: number): Iterable<ByteRange>;
  /** @throws ImageIoError `source-changed` when the bytes are no longer those that were opened. */
  requireUnchanged?(): Promise<void>;
  close(): Promise<void>;
}

/** @throws CorruptImageError `truncated` unless [fileOffset, fileOffset + length) lies within the source. */
export function requireInside(source: ByteSource, fileOffset: number, length: number, what: string): void {
  if (fileOffset >= 0 && fileOffset + length <= source.size) return;
  throw new CorruptImageError(
    'truncated',
    `${what} should end at byte ${fileOffset + length}, but the file has only ${source.size} bytes.`,
    { fileOffset, hint: 'The file is probably an incomplete download or copy: fetch it again.' },
  );
}

/** Reads `length` bytes into a new buffer, after checking that they are there. */
export async function readBytes(
  source: ByteSource,
  fileOffset: number,
  length: number,
  what: string,
): Promise<Uint8Array> {
  requireInside(source, fileOffset, length, what);
  const bytes = new Uint8Array(length);
  await source.read(bytes, fileOffset);
  return bytes;
}
