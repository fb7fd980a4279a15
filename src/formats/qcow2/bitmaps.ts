/** The directory of persistent dirty bitmaps (`docs/interop/qcow2.txt`, "Bitmaps"): what `info` tells of them. */

import { alignUp } from '../../binary/align.ts';
import type { JsonValue } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { corrupt, type Qcow2Header } from './header.ts';
import { BITMAPS_VALID, bitmapEntry, MAX_BITMAP_DIRECTORY_BYTES } from './structs.ts';

/** Limits of the specification. */
const MAX_BITMAPS = 65535;
const MAX_NAME = 1023;

/** QEMU's names of the flags, by bit. */
const FLAGS = ['in-use', 'auto'] as const;

/**
 * The bitmaps under QEMU's names, or undefined without the extension, or with one that is not up to date: then what it
 * says is not to be believed. @throws CorruptImageError
 */
export async function readBitmaps(
  source: ByteSource,
  { extensions, autoclearFeatures }: Qcow2Header,
): Promise<readonly JsonValue[] | undefined> {
  const { bitmaps } = extensions;
  if (bitmaps === undefined || (autoclearFeatures & BITMAPS_VALID) === 0n) return undefined;
  const { count, directorySize, directoryOffset } = bitmaps;
  if (count > MAX_BITMAPS || directorySize > MAX_BITMAP_DIRECTORY_BYTES) {
    const message = `${count} bitmaps in a directory of ${directorySize} bytes are more than the format allows.`;
    throw corrupt('bad-table', message, directoryOffset);
  }
  const bytes = await readBytes(source, directoryOffset, directorySize, 'The bitmap directory');
  const found: JsonValue[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const place = directoryOffset + at;
    const room = bytes.subarray(at, at + bitmapEntry.size);
    if (room.length < bitmapEntry.size) throw tooShort(index, place);
    const { flags, granularityBits, nameLength, extraLength } = bitmapEntry.decode(room, place);
    const nameAt = at + bitmapEntry.size + extraLength;
    if (nameLength > MAX_NAME || nameAt + nameLength > bytes.length) throw tooShort(index, place);
    found.push({
      flags: FLAGS.filter((_, bit) => ((flags >>> bit) & 1) === 1),
      name: new TextDecoder().decode(bytes.subarray(nameAt, nameAt + nameLength)),
      granularity: 2 ** granularityBits,
    });
    at = alignUp(nameAt + nameLength, 8);
  }
  return found;
}

const tooShort = (index: number, place: number) =>
  corrupt(
    'bad-table',
    `The bitmap directory ends within entry ${index + 1}, or its name is too long.`,
    place,
  );
