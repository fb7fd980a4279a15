/** Bytes out. A target takes writes at any offset, in any order; what is never written reads as zeros. */
export interface ByteTarget {
  readonly name: string;
  /** Writes the parts one after the other from `fileOffset`. @throws ImageIoError `write-failed` */
  write(parts: readonly Uint8Array[], fileOffset: number): Promise<void>;
  close(): Promise<void>;
}
