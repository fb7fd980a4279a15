/** What makes one image file differ from another of the same disk. */
export interface Identity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly timestamp: number;
  /** The name of the file without its folder, where it has one: some formats tell it. */
  readonly fileName?: string;
}
