/** What a codec is: one block into a payload and back, on its own, without state. */
export interface Codec {
  /** Levels that {@link Codec.pack} takes, and the one used when none is asked for. */
  readonly levels: { readonly min: number; readonly max: number; readonly default: number };
  /** Compresses one block. */
  pack(block: Uint8Array, level: number): Uint8Array;
  /**
   * Decompresses `packed`, which may be followed by bytes that do not belong to it, into all of `into`.
   * @throws CorruptImageError `bad-data` when it does not decode to exactly `into.length` bytes
   */
  unpack(packed: Uint8Array, into: Uint8Array): void;
}
