/** Pokes at the structures of a dynamic VHD, whose checksums are computed again. */

import type { Buffer } from 'node:buffer';
import { be32, type Poke, sealBigEndian } from './poke.ts';

export const FOOTER = 512;
export const HEADER_AT = 512;
export const TABLE_AT = 1536;

/** A field of some records of an image. */
const sealed =
  (records: (image: Buffer) => readonly Buffer[], checksumAt: number) =>
  (poke: Poke): Poke =>
  (image) => {
    for (const record of records(image)) {
      poke(record);
      sealBigEndian(record, checksumAt);
    }
    return image;
  };

/** A field of the footer and of its copy. */
export const footers = sealed((image) => [image.subarray(0, FOOTER), image.subarray(-FOOTER)], 64);
/** A field of the footer at the end. */
export const lastFooter = sealed((image) => [image.subarray(-FOOTER)], 64);
/** A field of the dynamic header. */
export const header = sealed((image) => [image.subarray(HEADER_AT, HEADER_AT + 1024)], 36);

export const entry = (block: number, sector: number): Poke => be32(TABLE_AT + block * 4, sector);
