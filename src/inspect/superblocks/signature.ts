/** What the signatures of filesystems and containers have in common: where one stands, and what it tells. */

import type { Content } from '../contents.ts';

export interface Signature {
  /** Where to look, in bytes from the start of a volume of `size` bytes; there may be several places. */
  readonly places: (size: number) => readonly number[];
  /** Bytes that {@link decode} gets. */
  readonly length: number;
  /** What stands there; undefined when it is nothing of this kind. Pure. */
  readonly decode: (record: Bytes) => Content | undefined;
}

/** A record, with its fields by their places. */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Latin-1, NULs and blanks included. */
  chars(at: number, length: number): string;
  /** UTF-8 up to the first NUL, without blanks at its end. */
  text(at: number, length: number): string;
  slice(at: number, length: number): Uint8Array;
}

export function bytesOf(bytes: Uint8Array): Bytes {
  const slice = (at: number, length: number): Uint8Array => bytes.subarray(at, at + length);
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    chars: (at, length) => String.fromCharCode(...slice(at, length)),
    text: (at, length) => (new TextDecoder().decode(slice(at, length)).split('\0', 1)[0] ?? '').trimEnd(),
    slice,
  };
}

/** What is told of some content, without what is empty. */
export const content = (kind: Content['kind'], label?: string, uuid?: string): Content => ({
  kind,
  ...(label !== undefined && label !== '' && { label }),
  ...(uuid !== undefined && uuid !== '' && { uuid }),
});

/** Some bytes that all have the value zero stand for no UUID. */
export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
