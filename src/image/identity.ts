/** What makes one image file differ from another of the same disk. */
export interface Identity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly timestamp: number;
}
