/** Outputs that are encrypted. */

/** What one is encrypted with: made once, and given to every thread. Never printed, and part of no plan and no report. */
export interface OutputEncryption {
  readonly volumeKey: Uint8Array;
  /** The LUKS header with its key material, as it stands in the file. */
  readonly header: Uint8Array;
}
