/** A conversion as data: everything that a worker thread needs to perform tasks. */

import type { WriterContext } from '../image/writer.ts';
import type { JobImage } from './job-image.ts';

export interface Job {
  readonly kind: 'convert';
  readonly source: JobImage;
  /** Path of the file under construction. */
  readonly target: string;
  readonly writer: {
    readonly format: string;
    readonly virtualSize: number;
    readonly options: Readonly<Record<string, unknown>>;
    readonly context: WriterContext;
  };
  readonly shared: { readonly turnstile: SharedArrayBuffer; readonly stored: SharedArrayBuffer };
  readonly sparseSize: number;
  readonly salvage: boolean;
  readonly digests: boolean;
}
