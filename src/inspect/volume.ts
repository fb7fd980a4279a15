/** The window through which everything is read that stands on a disk: a partition, a logical volume, a whole disk. */

export interface Volume {
  /** Bytes. */
  readonly size: number;
  /**
   * The `length` bytes from `offset`; the caller must not write to them.
   * @throws CorruptImageError `bad-reference` when they do not lie within the volume
   * @throws BudgetError `over-budget` when no more may be read of the disk
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}
