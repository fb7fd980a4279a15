/**
 * What a differencing VHDX says of its parent ([MS-VHDX] 2.6.2.6): its DataWriteGuid, which tells whether a file is the one,
 * and paths of the machine where it was made, which are hints.
 */

import { guidText } from '../../binary/guid.ts';
import { CorruptImageError, type ErrorCode, UnsupportedFeatureError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import type { ItemPlace } from './metadata.ts';
import { Guid, parentLocatorEntry, parentLocatorHeader } from './structs.ts';

export interface ParentLocator {
  /** The DataWriteGuids that the parent may have, one or two. */
  readonly linkages: readonly string[];
  /** The likeliest first. */
  readonly names: readonly string[];
}

/**
 * @throws CorruptImageError `bad-table`, `bad-reference`
 * @throws UnsupportedFeatureError `unsupported-feature` for a parent that is no VHDX
 */
export async function readParentLocator(source: ByteSource, place: ItemPlace): Promise<ParentLocator> {
  const { fileOffset, length } = place;
  const item = await readBytes(source, fileOffset, length, 'The parent locator');
  const { locatorType, keyValueCount } = parentLocatorHeader.decode(item, fileOffset);
  const type = guidText(locatorType);
  if (type !== Guid.vhdxParent) {
    throw new UnsupportedFeatureError(
      'unsupported-feature',
      `The parent is of a kind that is not known, ${type}.`,
      {
        format: 'vhdx',
        fileOffset,
        hint: 'Only parents that are VHDX files are known.',
      },
    );
  }
  const values = new Map<string, string>();
  for (let index = 0; index < keyValueCount; index++) {
    const at = parentLocatorHeader.size + index * parentLocatorEntry.size;
    const entry = parentLocatorEntry.decode(item.subarray(at), fileOffset + at);
    const part = (offset: number, bytes: number): string => {
      if (offset === 0 || bytes === 0 || bytes % 2 !== 0 || offset + bytes > length) {
        const message = `A text of ${bytes} bytes at ${offset} of the parent locator is not possible: it has ${length}.`;
        throw corrupt('bad-reference', message, fileOffset + at);
      }
      return new TextDecoder('utf-16le').decode(item.subarray(offset, offset + bytes));
    };
    const key = part(entry.keyOffset, entry.keyLength);
    if (values.has(key)) throw corrupt('bad-table', `The parent locator has two of ${key}.`, fileOffset + at);
    values.set(key, part(entry.valueOffset, entry.valueLength));
  }
  const linkages = ['parent_linkage', 'parent_linkage2'].flatMap((key) => linkageOf(values.get(key)) ?? []);
  if (linkages.length === 0) {
    const message = 'The parent locator does not tell the identity of the parent (parent_linkage).';
    throw corrupt('bad-table', message, fileOffset);
  }
  return { linkages, names: namesOf(values) };
}

/** The GUID in braces, in lower case. */
const linkageOf = (text: string | undefined): string | undefined =>
  /^\{([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}/i.exec(text ?? '')?.[1]?.toLowerCase();

/** Relative, beside the image, absolute: what Windows has in front of long paths is left out. */
function namesOf(values: ReadonlyMap<string, string>): readonly string[] {
  const path = (key: string): string =>
    (values.get(key) ?? '')
      .replace(/\0.*$/s, '')
      .replace(/^\\\\\?\\/, '')
      .replaceAll('\\', '/');
  const paths = [path('relative_path'), path('absolute_win32_path'), path('volume_path')];
  const beside = paths.map((name) => name.slice(name.lastIndexOf('/') + 1));
  const [relative, ...absolute] = paths;
  return [...new Set([relative, ...beside, ...absolute])].filter(
    (name) => name !== undefined && name !== '',
  ) as string[];
}

const corrupt = (code: ErrorCode, message: string, fileOffset: number): CorruptImageError =>
  new CorruptImageError(code, message, { format: 'vhdx', fileOffset });
