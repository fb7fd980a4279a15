/** Sources and targets in memory: for images that a caller holds as bytes, and for tests. */

import { type ByteSource, requireInside } from './source.ts';
import type { ByteTarget } from './target.ts';

/** A source over `bytes`, which must not change while it is open. */
export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.length,
    async read(into, fileOffset) {
      requireInside(source, fileOffset, into.length, 'A read');
      into.set(bytes.subarray(fileOffset, fileOffset + into.length));
    },
    close: async () => {},
  };
  return source;
}

export interface MemoryTarget extends ByteTarget {
  /** What has been written, up to `size` bytes, with zeros between and behind. */
  bytes(size: number): Uint8Array;
}

export function memoryTarget(name = 'memory'): MemoryTarget {
  let buffer = new Uint8Array(64 * 1024);
  const reserve = (size: number): void => {
    if (size <= buffer.length) return;
    const larger = new Uint8Array(Math.max(size, buffer.length * 2));
    larger.set(buffer);
    buffer = larger;
  };
  return {
    name,
    async write(parts, fileOffset) {
      let at = fileOffset;
      for (const part of parts) {
        reserve(at + part.length);
        buffer.set(part, at);
        at += part.length;
      }
    },
    bytes(size) {
      reserve(size);
      return buffer.slice(0, size);
    },
    close: async () => {},
  };
}
