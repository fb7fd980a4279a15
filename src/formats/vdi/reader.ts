/**
 * Reads VDI, VirtualBox's format: a header, a map of the blocks, and the blocks in the order in which they were first
 * written. A differencing image builds on another one, which it knows by UUID only.
 */

import { ceilDiv } from '../../binary/align.ts';
import { BudgetError, UnsupportedFeatureError } from '../../errors.ts';
import type { OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { BackingReference, ImageDetails, ImageReader } from '../../image/reader.ts';
import { type ByteSource, requireInside } from '../../io/source.ts';
import { blockOffset, isPlace, readBlockMap } from './block-map.ts';
import { readHeader, uuidText } from './header.ts';
import { ImageType, MAX_MAP_BYTES, type VdiHeader, vdiHeader, ZERO_BLOCK } from './structs.ts';

export async function openVdi(
  source: ByteSource,
  { parent }: { readonly parent: string | undefined },
  { salvage = false, maxMetadataBytes = MAX_MAP_BYTES }: OpenContext = {},
): Promise<ImageReader> {
  const header = await readHeader(source);
  const { blockSize, diskSize, mapOffset, imageType } = header;
  const entryCount = ceilDiv(diskSize, blockSize);
  requireMapSize(entryCount * 4, Math.min(maxMetadataBytes, MAX_MAP_BYTES));
  requireInside(source, mapOffset, entryCount * 4, 'The block map');
  const { entries, lost } = await readBlockMap(source, header, entryCount, salvage);
  const isDifferencing = imageType === ImageType.differencing;

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    for (let guestOffset = from; guestOffset < to; guestOffset += blockSize) {
      const length = Math.min(blockSize, to - guestOffset);
      const block = guestOffset / blockSize;
      const entry = entries[block] as number;
      const error = lost.get(block);
      if (error) throw error;
      if (isPlace(entry)) yield { kind: 'data', guestOffset, length, fileOffset: blockOffset(header, entry) };
      else if (isDifferencing && entry === ZERO_BLOCK)
        yield { kind: 'zero', guestOffset, length, explicit: true };
      else yield { kind: isDifferencing ? 'backing' : 'zero', guestOffset, length };
    }
  }

  return {
    virtualSize: diskSize,
    unit: blockSize,
    details: detailsOf(header),
    notes: [],
    extents,
    ...(isDifferencing && { backing: parentOf(header, parent) }),
  };
}

/** @throws BudgetError */
function requireMapSize(bytes: number, most: number): void {
  if (bytes <= most) return;
  throw new BudgetError('over-budget', `The block map takes ${bytes} bytes.`, {
    format: 'vdi',
    fileOffset: vdiHeader.fields.blockCount.at,
    hint: `At most ${most} bytes are read; --max-metadata sets less or, up to ${MAX_MAP_BYTES}, more.`,
  });
}

/** The image tells a UUID and no name: the name is the caller's. */
function parentOf({ parentUuid }: VdiHeader, parent: string | undefined): BackingReference {
  const uuid = uuidText(parentUuid);
  return {
    kind: 'parent',
    names: parent === undefined ? [] : [parent],
    format: 'vdi',
    uuids: [uuid],
    missing: (why) =>
      new UnsupportedFeatureError(
        'needs-parent',
        `This is a differencing image: it needs its parent, the VDI with the UUID ${uuid}.`,
        {
          format: 'vdi',
          fileOffset: vdiHeader.fields.parentUuid.at,
          hint:
            parent === undefined
              ? 'Name it with -o parent=FILE, and allow its folder with --allow-path.'
              : why,
        },
      ),
  };
}

const typeNames: Readonly<Record<number, string>> = {
  [ImageType.dynamic]: 'dynamic',
  [ImageType.static]: 'static',
  [ImageType.differencing]: 'differencing',
};

function detailsOf(header: VdiHeader): ImageDetails {
  const { imageType, text, blockSize, blockCount, storedCount, uuid, parentUuid } = header;
  const isDifferencing = imageType === ImageType.differencing;
  return {
    clusterSize: blockSize,
    ...(isDifferencing && { backingFormat: 'vdi' }),
    specific: {
      subformat: typeNames[imageType],
      creator: text.replace(/[\0\n].*$/s, '').replaceAll(/^<<< | >>>$/g, ''),
      'block-size': blockSize,
      'block-count': blockCount,
      'stored-blocks': storedCount,
      uuid: uuidText(uuid),
      'parent-uuid': isDifferencing ? uuidText(parentUuid) : undefined,
    },
  };
}
