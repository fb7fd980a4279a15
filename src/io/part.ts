/** A range of a source as a source of its own: a member of an archive, read where it stands. */

import { type ByteSource, requireInside } from './source.ts';

export interface PartPlace {
  /** What to call it in messages. */
  readonly name: string;
  /** Where it begins in the whole; all of it must lie within. */
  readonly start: number;
  readonly size: number;
}

/** @param whole is closed with the part */
export function partOf(whole: ByteSource, { name, start, size }: PartPlace): ByteSource {
  const { descriptor, revision, remarks, wrapper } = whole;
  const part: ByteSource = {
    name,
    size,
    ...(revision !== undefined && { revision }),
    ...(remarks && { remarks }),
    ...(wrapper !== undefined && { wrapper }),
    ...(descriptor && {
      descriptor:
        descriptor.kind === 'part'
          ? { ...descriptor, name, start: descriptor.start + start }
          : { kind: 'part', name, whole: descriptor, wholeSize: whole.size, start },
    }),
    async read(into, fileOffset) {
      requireInside(part, fileOffset, into.length, 'A read');
      await whole.read(into, start + fileOffset);
    },
    ...(whole.dataRanges && {
      *dataRanges(from: number, to: number) {
        for (const range of whole.dataRanges?.(start + from, start + to) ?? []) {
          yield { start: range.start - start, end: range.end - start };
        }
      },
    }),
    async requireUnchanged() {
      await whole.requireUnchanged?.();
    },
    close: () => whole.close(),
  };
  return part;
}
