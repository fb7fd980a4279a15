/** The clock of VHD, ZVHD and ZVHD2: 32 bits of seconds since 2000-01-01T00:00:00Z. */

/** Seconds from 1970-01-01 to 2000-01-01. */
const EPOCH_2000 = 946684800;

/** A time in seconds since 1970 as the formats store it: the nearest that they can. */
export const toSeconds2000 = (timestamp: number): number =>
  Math.min(Math.max(0, timestamp - EPOCH_2000), 2 ** 32 - 1);

/** The inverse. */
export const fromSeconds2000 = (seconds: number): number => seconds + EPOCH_2000;
