/** An image that is being changed. Only what was touched is put back afterwards: images of megabytes cost no copy. */

import type { Specimen } from './corpus.ts';

export interface Draft {
  /** The image as it is now. */
  readonly bytes: Uint8Array;
  /** Bytes by which it has become longer, in front of what stands at its end. */
  readonly shift: number;
  /** Overwrites; what would be past the end is left out. */
  write(at: number, bytes: Uint8Array): void;
  /** Replaces [start, end) by other bytes, of another length as a rule. */
  splice(start: number, end: number, bytes: Uint8Array): void;
  /** Makes the file end at `size`, with `filler` where it gets longer. */
  resize(size: number, filler: number): void;
}

/** Every image's working copy, between cases the same as the image. */
const copies = new WeakMap<Specimen, Uint8Array>();

/** @param change what is done to it; `use` sees the result, until its promise is settled */
export async function withDraft<T>(
  specimen: Specimen,
  change: (draft: Draft) => void,
  use: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const pristine = specimen.bytes;
  const copy = copies.get(specimen) ?? pristine.slice();
  copies.set(specimen, copy);
  const touched: (readonly [number, number])[] = [];
  let bytes = copy;
  let shift = 0;
  const draft: Draft = {
    get bytes() {
      return bytes;
    },
    get shift() {
      return shift;
    },
    write(at, part) {
      if (at < 0 || at >= bytes.length) return;
      const end = Math.min(bytes.length, at + part.length);
      if (bytes.buffer === copy.buffer) touched.push([at, end]);
      bytes.set(part.subarray(0, end - at), at);
    },
    splice(start, end, part) {
      const longer = new Uint8Array(bytes.length - (end - start) + part.length);
      longer.set(bytes.subarray(0, start));
      longer.set(part, start);
      longer.set(bytes.subarray(end), start + part.length);
      shift += longer.length - bytes.length;
      bytes = longer;
    },
    resize(size, filler) {
      if (size <= bytes.length) {
        bytes = bytes.subarray(0, size);
        return;
      }
      const longer = new Uint8Array(size).fill(filler, bytes.length);
      longer.set(bytes);
      bytes = longer;
    },
  };
  try {
    change(draft);
    return await use(bytes);
  } finally {
    for (const [start, end] of touched) copy.set(pristine.subarray(start, end), start);
  }
}
