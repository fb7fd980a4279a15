/** What a codec is: one block into a payload and back, on its own, without state. */
export interface Codec {
  /** Levels that {@link Codec.pack} takes, and the one used when none is asked for. */
  readonly levels: { readonly min: number; readonly max: number; readonly default: number };
  /** Bytes that the payload of a block takes at most. */
  bound(blockLength: number): number;
  /** Compresses `block` into the start of `into`, which has room for the bound; returns the payload's length. */
  pack(block: Uint8Array, level: number, into: Uint8Array): number;
  /**
   * Decompresses `packed`, which may be followed by bytes that do not belong to it, into all of `into`.
   * @throws CorruptImageError `bad-data` when it does not decode to exactly `into.length` bytes
   */
  unpack(packed: Uint8Array, into: Uint8Array): void;
}
