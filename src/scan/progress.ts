/** How far work has come that reads a disk. */
export interface ReadingProgress {
  /** Guest bytes that are behind, of `totalBytes`. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}
