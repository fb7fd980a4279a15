/** Arithmetic on sizes and offsets. Sizes pass 2^31, so there is no `<<` or `|` here. */

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const TiB = 1024 * GiB;
/** The sector of disks and of the formats' size fields, in bytes. */
export const SECTOR = 512;

export const ceilDiv = (value: number, unit: number): number => Math.ceil(value / unit);
export const alignDown = (value: number, unit: number): number => value - (value % unit);
export const alignUp = (value: number, unit: number): number => alignDown(value + unit - 1, unit);
export const isAligned = (value: number, unit: number): boolean => value % unit === 0;

/** Is `value` 1, 2, 4, …, 2^53? */
export const isPowerOfTwo = (value: number): boolean =>
  value >= 1 && 2 ** Math.round(Math.log2(value)) === value;
