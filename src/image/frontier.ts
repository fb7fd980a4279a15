/** Where a growing file ends, and where the next record may go. */

export interface Frontier {
  /** File offset behind everything that has a place. */
  readonly end: number;
  /** File offset at which bytes may be packed on: within a unit of the file that is not full yet, or `end`. */
  readonly open: number;
}

/** The frontier of a file without a gap. */
export const frontierAt = (end: number): Frontier => ({ end, open: end });
