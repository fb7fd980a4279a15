/** What a format's reader is: metadata turned into extents. Guest data never flows through it. */

import type { ImageError } from '../errors.ts';
import type { ByteSource } from '../io/source.ts';
import type { OwnExtent, PackedExtent } from './extent.ts';

/** Something that a user should know, though the image can be read. */
export interface Note {
  readonly code: string;
  readonly message: string;
}

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** A state of the disk that is kept inside the image. */
export interface InternalSnapshot {
  readonly id: string;
  readonly name: string;
  /** Bytes of saved machine state, 0 without one. */
  readonly stateSize: number;
  /** Seconds and nanoseconds since 1970-01-01T00:00:00Z. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Nanoseconds that the virtual machine had run. */
  readonly clock: number;
}

/** What an image says of itself beside its size. */
export interface ImageDetails {
  /** Allocation unit of the image in bytes, where its format has one. */
  readonly clusterSize?: number;
  /** It was in use when it was last written. */
  readonly dirty?: boolean;
  /** Does it hold compressed blocks? Left out where only reading all metadata would tell. */
  readonly compressed?: boolean;
  readonly encrypted?: boolean;
  readonly backingFile?: string;
  readonly backingFormat?: string;
  readonly snapshots?: readonly InternalSnapshot[];
  /** The size asked for when the image was made, where the format keeps it apart from the virtual size. */
  readonly originalSize?: number;
  /** Fields of this format only, under qemu-img's names where it has them. */
  readonly specific: { readonly [key: string]: JsonValue | undefined };
}

/** Another image, on which an image builds, as it names it. Names are an image's claims: they prove nothing. */
export interface BackingReference {
  readonly kind: 'backing' | 'parent';
  /** What it is called, the likeliest name first. */
  readonly names: readonly string[];
  /** The format that the image says it has. */
  readonly format?: string;
  /** The UUIDs that it may have, as text; left out where any will do. */
  readonly uuids?: readonly string[];
  /** The content ID (`cid`) that it must have: another one tells that it was written to since. */
  readonly contentId?: number;
  /** What is wrong while it is not at hand; `why` says why it is not. */
  missing(why: string): ImageError;
}

export interface ImageReader {
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
  /** Natural block in bytes, a power of two: reads at its multiples never decode a block twice. */
  readonly unit: number;
  readonly details: ImageDetails;
  readonly notes: readonly Note[];
  /**
   * The extents of [from, to), both multiples of {@link ImageReader.unit} or the end of the disk. Sorted and
   * gapless; neighbours may say the same. `backing` only where there is a {@link ImageReader.backing}.
   * @throws CorruptImageError where the metadata breaks a rule of the format
   */
  extents(from: number, to: number): AsyncIterable<OwnExtent>;
  /** Where it builds on another image. */
  readonly backing?: BackingReference;
  /** Why the guest data cannot be read, though the metadata can. */
  readonly obstacle?: ImageError;
  /** What unlocks an encrypted image again, on another thread; never printed. */
  readonly volumeKey?: Uint8Array;
  /**
   * Where extents stand when it is not the image file itself: their offsets count through these files, one behind the
   * other. Closed with the image.
   */
  readonly dataFiles?: readonly ByteSource[];
  /** Is reading in guest order cheap, and jumping back expensive, because blocks build on the ones before them? */
  readonly isSequential?: boolean;
  /**
   * Decodes `stored`, the stored bytes of `extent`, into all of `into`. Left out where the extent's codec is all
   * there is to it; given where a record surrounds the payload, or blocks build on each other.
   * @throws CorruptImageError
   */
  unpack?(extent: PackedExtent, stored: Uint8Array, into: Uint8Array): Promise<void>;
  /** Deciphers, in place, all that is stored of `extent`, whose codec is `cipher`. Given where the key is known. */
  decipher?(extent: PackedExtent, bytes: Uint8Array): void;
}
