/** Several files as one source, one behind the other: offsets count through all of them. */

import { type ByteRange, type ByteSource, requireInside } from './source.ts';

/** A part of a read: `length` bytes of a file, from `offset` in it; `start` is where they are in the row. */
interface Part {
  readonly file: ByteSource;
  readonly offset: number;
  readonly length: number;
  readonly start: number;
}

/** @param files one or more; they are closed with the whole */
export function filesInRow(files: readonly ByteSource[]): ByteSource {
  const [first] = files;
  if (first === undefined) throw new TypeError('no files to put in a row');
  if (files.length === 1) return first;
  const starts: number[] = [];
  let size = 0;
  for (const file of files) {
    starts.push(size);
    size += file.size;
  }

  function* within(from: number, to: number): Generator<Part> {
    for (const [index, file] of files.entries()) {
      const start = starts[index] as number;
      const offset = Math.max(0, from - start);
      const length = Math.min(file.size, to - start) - offset;
      if (length > 0) yield { file, offset, length, start: start + offset };
    }
  }

  function* dataRanges(from: number, to: number): Generator<ByteRange> {
    for (const { file, offset, length, start } of within(from, to)) {
      const known = file.dataRanges?.(offset, offset + length) ?? [{ start: offset, end: offset + length }];
      for (const range of known) {
        yield { start: start + range.start - offset, end: start + range.end - offset };
      }
    }
  }

  const row: ByteSource = {
    name: files.map(({ name }) => name).join(' + '),
    size,
    async read(into, fileOffset) {
      requireInside(row, fileOffset, into.length, 'A read');
      for (const { file, offset, length, start } of within(fileOffset, fileOffset + into.length)) {
        await file.read(into.subarray(start - fileOffset, start - fileOffset + length), offset);
      }
    },
    dataRanges,
    async requireUnchanged() {
      for (const file of files) await file.requireUnchanged?.();
    },
    async close() {
      for (const file of files) await file.close();
    },
  };
  return row;
}
