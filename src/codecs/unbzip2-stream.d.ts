/** The parts of unbzip2-stream that decode a block, which it does not declare itself. */

declare module 'unbzip2-stream/lib/bit_iterator.js' {
  /** Reads `n` bits; null: on to the next byte. */
  export interface BitReader {
    (n: number | null): number;
    /** Bytes that have been begun. */
    readonly bytesRead: number;
  }
  const bitIterator: (next: () => Uint8Array | undefined) => BitReader;
  export default bitIterator;
}

declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js';
  export interface Bzip2Decoder {
    /** The level of the stream, 1 to 9. */
    header(bits: BitReader): number;
    /** Decodes a block; the checksum so far, or null at the end of the stream. */
    decompress(
      bits: BitReader,
      push: (byte: number) => void,
      words: Int32Array,
      length: number,
      checksum: number,
    ): number | null;
  }
  const bzip2: Bzip2Decoder;
  export default bzip2;
}
