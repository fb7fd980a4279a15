/** Overlays: new images that hold only what differs from another one, their base. */

export interface OverlayBase {
  /** As the user gave it: absolute, or relative to the folder of the overlay. */
  readonly name: string;
  readonly format: string;
  /** What is known of it when it has been opened. */
  readonly opened?: {
    readonly virtualSize: number;
    /** As text, where its format has one. */
    readonly uuid?: string;
    /** When it was last written: seconds since 1970-01-01T00:00:00Z. */
    readonly modified: number;
  };
}
