/**
 * What a differencing VHD calls its parent ("Parent Unicode Name", "Parent Locator Entry"). The names are hints of the
 * machine where the image was made; the UUID tells whether a file is the one.
 */

import { Buffer } from 'node:buffer';
import { alignUp, SECTOR } from '../../binary/align.ts';
import { chars, struct, u32, u64 } from '../../binary/struct.ts';
import { toSeconds2000 } from '../../binary/time.ts';
import { CorruptImageError, OptionError } from '../../errors.ts';
import type { OverlayBase } from '../../image/overlay.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type DynamicHeader, dynamicHeader } from './structs.ts';

/** One of the eight entries in the dynamic header. */
export const parentLocator = struct('VHD parent locator', 24, 'big', {
  platformCode: chars(0, 4), // 'W2ru' relative, 'W2ku' absolute, both UTF-16LE
  platformDataSpace: u32(4), // sectors, or bytes, that are set aside
  platformDataLength: u32(8), // bytes of the name
  reserved: u32(12),
  platformDataOffset: u64(16), // in the file
});

export const LOCATOR_COUNT = 8;
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
    const place = headerOffset + dynamicHeader.fields.parentLocatorEntries.at + at;
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

/** The fields of the dynamic header by which a differencing disk knows its parent. */
export type ParentFields = Pick<
  DynamicHeader,
  'parentUniqueId' | 'parentTimeStamp' | 'parentUnicodeName' | 'parentLocatorEntries'
>;

/** A parent as it is written. */
export interface Parent {
  /** What the locators point to, whole sectors. */
  readonly names: Uint8Array;
  /** @param namesOffset where {@link Parent.names} stand in the file */
  header(namesOffset: number): ParentFields;
}

/** @throws OptionError when the base cannot be the parent of a VHD of that size */
export function parentOf(virtualSize: number, { name, format, opened }: OverlayBase): Parent {
  if (format !== 'vhd' || opened?.uuid === undefined) {
    const what = format === 'vhd' ? 'one that was not opened, so that its UUID is not known' : format;
    throw new OptionError('bad-option', `The parent of a VHD is a VHD, not ${what}.`, {
      format: 'vhd',
      hint: format === 'vhd' ? 'Leave -u out.' : 'Convert it to VHD first, or make a qcow2 overlay.',
    });
  }
  if (opened.virtualSize !== virtualSize) {
    const message = `The parent has ${opened.virtualSize} bytes, and a differencing disk is as large.`;
    throw new OptionError('bad-size', message, { format: 'vhd', hint: 'Leave the size out.' });
  }
  const { uuid, modified } = opened;
  const isAbsolute = /^([/\\]|[a-z]:)/i.test(name);
  const path = name.replaceAll('/', '\\');
  const locator = utf16(isAbsolute || /^\.\.?\\/.test(path) ? path : `.\\${path}`, 'little');
  const names = new Uint8Array(alignUp(locator.length, SECTOR));
  names.set(locator);
  const unicodeName = new Uint8Array(512);
  // The last two bytes stay zero. A name that is cut is found by its locator.
  unicodeName.set(utf16(baseName(portable(name)), 'big').subarray(0, unicodeName.length - 2));
  return {
    names,
    header(platformDataOffset) {
      const parentLocatorEntries = new Uint8Array(LOCATOR_COUNT * parentLocator.size);
      const entry = {
        platformCode: isAbsolute ? 'W2ku' : 'W2ru',
        // In bytes, as Hyper-V has it: the specification's sectors would be too few for those who read bytes.
        platformDataSpace: names.length,
        platformDataLength: locator.length,
        reserved: 0,
        platformDataOffset,
      };
      parentLocatorEntries.set(parentLocator.encode(entry));
      return {
        parentUniqueId: Uint8Array.from(Buffer.from(uuid.replaceAll('-', ''), 'hex')),
        parentTimeStamp: toSeconds2000(Math.floor(modified)),
        parentUnicodeName: unicodeName,
        parentLocatorEntries,
      };
    },
  };
}

function utf16(text: string, endian: 'big' | 'little'): Uint8Array {
  const bytes = Buffer.from(text, 'utf16le');
  return endian === 'big' ? bytes.swap16() : bytes;
}

/** Up to the first NUL, with slashes that every system takes. */
const portable = (name: string): string => name.replace(/\0.*$/s, '').replaceAll('\\', '/');

const baseName = (name: string): string => name.slice(name.lastIndexOf('/') + 1);
