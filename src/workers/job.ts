/** A conversion as data: everything that a worker thread needs to perform tasks. */

export interface Job {
  readonly source: {
    readonly path: string;
    readonly size: number;
    readonly format: string;
    readonly options: Readonly<Record<string, unknown>>;
  };
  /** `direct`: may large writes go around the page cache? */
  readonly target: { readonly path: string; readonly direct: boolean };
  readonly writer: {
    readonly format: string;
    readonly virtualSize: number;
    readonly options: Readonly<Record<string, unknown>>;
  };
  readonly shared: { readonly turnstile: SharedArrayBuffer; readonly stored: SharedArrayBuffer };
  readonly sparseSize: number;
  readonly digests: boolean;
}
