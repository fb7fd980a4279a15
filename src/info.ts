/** What an image says of itself, under qemu-img's names. */

import type { JsonValue } from './image/reader.ts';
import type { OpenedImage } from './open.ts';

/** The keys of `qemu-img info --output=json`, and `notes`. Sizes are in bytes. */
export interface ImageInfo {
  readonly 'virtual-size': number;
  readonly filename: string;
  readonly format: string;
  readonly 'actual-size'?: number;
  readonly 'dirty-flag': boolean;
  readonly 'cluster-size'?: number;
  readonly compressed?: boolean;
  readonly encrypted?: boolean;
  readonly 'backing-filename'?: string;
  /** Where that is, by its name alone: relative ones begin in the folder of the image. Nothing is looked for. */
  readonly 'full-backing-filename'?: string;
  readonly 'backing-filename-format'?: string;
  readonly snapshots?: readonly JsonValue[];
  readonly 'format-specific': { readonly type: string; readonly data: Readonly<Record<string, JsonValue>> };
  /** What a user should know, though the image can be read. */
  readonly notes?: readonly { readonly code: string; readonly message: string }[];
}

/** Describes an opened image. Reads nothing more of it. */
export function imageInfo(image: OpenedImage): ImageInfo {
  const { source, details, notes, virtualSize, format } = image;
  const { clusterSize, compressed, encrypted, backingFile, backingFormat, snapshots } = details;
  return {
    'virtual-size': virtualSize,
    filename: source.name,
    format,
    ...(source.allocatedSize !== undefined && { 'actual-size': source.allocatedSize }),
    'dirty-flag': details.dirty ?? false,
    ...(clusterSize !== undefined && { 'cluster-size': clusterSize }),
    ...(compressed !== undefined && { compressed }),
    ...(encrypted !== undefined && { encrypted }),
    ...(backingFile !== undefined && {
      'backing-filename': backingFile,
      'full-backing-filename': fullName(backingFile, source.name),
    }),
    ...(backingFormat !== undefined && { 'backing-filename-format': backingFormat }),
    ...(snapshots && {
      snapshots: snapshots.map((snapshot) => ({
        id: snapshot.id,
        name: snapshot.name,
        'vm-state-size': snapshot.stateSize,
        'date-sec': snapshot.seconds,
        'date-nsec': snapshot.nanoseconds,
        'vm-clock-sec': Math.floor(snapshot.clock / 1e9),
        'vm-clock-nsec': snapshot.clock % 1e9,
      })),
    }),
    'format-specific': { type: format, data: withoutUndefined(details.specific) },
    ...(notes.length > 0 && { notes: notes.map(({ code, message }) => ({ code, message })) }),
  };
}

/** As qemu-img joins them, who keeps protocols as they are. */
function fullName(name: string, image: string): string {
  const isWhole = name.startsWith('/') || /^[^/\\]+:/.test(name);
  return isWhole
    ? name
    : image.slice(0, Math.max(image.lastIndexOf('/'), image.lastIndexOf('\\')) + 1) + name;
}

const withoutUndefined = (
  fields: Readonly<Record<string, JsonValue | undefined>>,
): Readonly<Record<string, JsonValue>> =>
  Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
  );
