/**
 * What a differencing VHD calls its parent ("Parent Unicode Name", "Parent Locator Entry"). The names are hints of the
 * machine where the image was made; the UUID tells whether a file is the one.
 */

import { SECTOR } from '../../binary/align.ts';
import { chars, struct, u32, u64 } from '../../binary/struct.ts';
import { CorruptImageError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import type { DynamicHeader } from './structs.ts';

/** One of the eight entries in the dynamic header. */
export const parentLocator = struct('VHD parent locator', 24, 'big', {
  platformCode: chars(0, 4), // 'W2ru' relative, 'W2ku' absolute, both UTF-16LE
  platformDataSpace: u32(4), // sectors, or bytes, that are set aside
  platformDataLength: u32(8), // bytes of the name
  reserved: u32(12),
  platformDataOffset: u64(16), // in the file
});

export const LOCATOR_COUNT = 8;
const LOCATORS_AT = 576;
/** A path of Windows has 32,767 characters at most. */
const MAX_NAME_BYTES = 2 * 32768;

/** The names, the likeliest first: relative, as it stands in the header, absolute. @throws CorruptImageError */
export async function readParentNames(
  source: ByteSource,
  header: DynamicHeader,
  headerOffset: number,
): Promise<readonly string[]> {
  const byCode = new Map<string, string>();
  for (let index = 0; index < LOCATOR_COUNT; index++) {
    const at = index * parentLocator.size;
    const place = headerOffset + LOCATORS_AT + at;
    const bytes = header.parentLocatorEntries.subarray(at, at + parentLocator.size);
    const {
      platformCode,
      platformDataLength: length,
      platformDataOffset,
    } = parentLocator.decode(bytes, place);
    if (platformCode !== 'W2ru' && platformCode !== 'W2ku') continue;
    if (length > MAX_NAME_BYTES || platformDataOffset % SECTOR !== 0) {
      const message = `A parent locator of ${length} bytes at byte ${platformDataOffset} is not possible.`;
      throw new CorruptImageError('bad-table', message, { format: 'vhd', fileOffset: place });
    }
    const name = await readBytes(source, platformDataOffset, length, 'A parent locator');
    byCode.set(platformCode, portable(new TextDecoder('utf-16le').decode(name)));
  }
  const unicode = portable(new TextDecoder('utf-16be').decode(header.parentUnicodeName));
  const all = [byCode.get('W2ru'), unicode, baseName(unicode), byCode.get('W2ku')];
  return [...new Set(all.filter((name) => name !== undefined && name !== ''))] as string[];
}

/** Up to the first NUL, with slashes that every system takes. */
const portable = (name: string): string => name.replace(/\0.*$/s, '').replaceAll('\\', '/');

const baseName = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
