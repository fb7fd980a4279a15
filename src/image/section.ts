/** A stretch of an image file whose every byte has a formula. */

export interface Section {
  /** The specification's name for it. */
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** Fills `into`, which holds zeros, with the bytes from `offset` within the section. */
  render(into: Uint8Array, offset: number): void;
}

/** Bytes as they are. */
export const bytesSection = (name: string, bytes: Uint8Array): Section => ({
  name,
  length: bytes.length,
  render: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
});

/** Zeros up to the next multiple of `unit`, for a stretch that ends at `end`. */
export const paddingSection = (end: number, unit: number): Section => ({
  name: 'padding',
  length: (unit - (end % unit)) % unit,
  render: () => {},
});

/**
 * A table of `count` entries of `entrySize` bytes, made entry by entry. `encode` writes entry `index` at `at` of a
 * view over zeros.
 */
export function tableSection(
  name: string,
  count: number,
  entrySize: number,
  encode: (view: DataView, at: number, index: number) => void,
): Section {
  return {
    name,
    length: count * entrySize,
    render(into, offset) {
      const first = Math.floor(offset / entrySize);
      const skip = offset - first * entrySize;
      const entries = Math.ceil((skip + into.length) / entrySize);
      const isWhole = skip === 0 && entries * entrySize === into.length;
      const table = isWhole ? into : new Uint8Array(entries * entrySize);
      const view = new DataView(table.buffer, table.byteOffset, table.length);
      for (let entry = 0; entry < entries; entry++) encode(view, entry * entrySize, first + entry);
      if (!isWhole) into.set(table.subarray(skip, skip + into.length));
    },
  };
}
