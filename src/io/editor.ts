/** Bytes that are changed in place. */

import type { ByteSource } from './source.ts';

export interface ByteEditor extends ByteSource {
  /** Bytes; a write past the end makes it larger, and what was never written reads as zeros. */
  readonly size: number;
  /** @throws ImageIoError `write-failed` */
  write(bytes: Uint8Array, fileOffset: number): Promise<void>;
  /** Makes the file longer, with zeros. @throws ImageIoError `write-failed` */
  extend(size: number): Promise<void>;
  /** Returns when all that was written is on the disk: what comes later cannot get there sooner. */
  flush(): Promise<void>;
}
