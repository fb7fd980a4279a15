/**
 * The block map of a VDI: for each block of the disk where it stands among the blocks of the file. Read and checked
 * whole, so that no block can stand outside the file or on another one.
 */

import { CorruptImageError, type ImageError } from '../../errors.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { type VdiHeader, ZERO_BLOCK } from './structs.ts';

export interface BlockMap {
  /** The place of each block among those of the file; or `UNUSED_BLOCK`, {@link ZERO_BLOCK}. */
  readonly entries: Uint32Array;
  /** Why blocks cannot be read, by their number; empty unless damage is read past. */
  readonly lost: ReadonlyMap<number, ImageError>;
}

/** Does an entry name a place in the file? */
export const isPlace = (entry: number): boolean => entry < ZERO_BLOCK;

/** File offset of the guest bytes of a block that stands at `place`. */
export const blockOffset = ({ dataOffset, blockSize, blockExtra }: VdiHeader, place: number): number =>
  dataOffset + place * (blockSize + blockExtra) + blockExtra;

/**
 * @param entryCount entries that the disk needs
 * @param salvage keep the errors of single blocks for who reads them
 * @throws CorruptImageError `truncated` for a block past the end, `bad-reference` for one on something else
 */
export async function readBlockMap(
  source: ByteSource,
  header: VdiHeader,
  entryCount: number,
  salvage: boolean,
): Promise<BlockMap> {
  const { mapOffset } = header;
  const bytes = await readBytes(source, mapOffset, entryCount * 4, 'The block map');
  const entries = new Uint32Array(bytes.buffer); // little-endian, as every platform of Node is
  const lost = new Map<number, ImageError>();
  const report = (block: number, error: ImageError): void => {
    if (!salvage) throw error;
    lost.set(block, error);
  };
  requireApart(header);
  entries.forEach((entry, block) => {
    const error = isPlace(entry) ? problemWith(source, header, entry, block) : undefined;
    if (error) report(block, error);
  });
  for (const [block, error] of shared(entries, header)) report(block, error);
  return { entries, lost };
}

/** @throws CorruptImageError `bad-reference` for a map that stands in the data */
function requireApart({ mapOffset, dataOffset, blockCount }: VdiHeader): void {
  if (mapOffset + blockCount * 4 <= dataOffset) return;
  if (mapOffset >= dataOffset) {
    throw new CorruptImageError('bad-reference', `The block map at byte ${mapOffset} stands in the data.`, {
      format: 'vdi',
      fileOffset: 340,
    });
  }
  throw new CorruptImageError(
    'bad-reference',
    `The block map from byte ${mapOffset} reaches into the data at ${dataOffset}.`,
    { format: 'vdi', fileOffset: 344 },
  );
}

function problemWith(
  source: ByteSource,
  header: VdiHeader,
  entry: number,
  block: number,
): ImageError | undefined {
  const { blockSize, diskSize, mapOffset } = header;
  // Of the last block only the part on the disk has to be there.
  const end = blockOffset(header, entry) + Math.min(blockSize, diskSize - block * blockSize);
  if (end <= source.size) return undefined;
  return new CorruptImageError(
    'truncated',
    `Block ${block} should end at byte ${end}, but the file has only ${source.size} bytes.`,
    {
      format: 'vdi',
      fileOffset: mapOffset + block * 4,
      guestOffset: block * blockSize,
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    },
  );
}

/** Blocks at the place of another one. */
function* shared(entries: Uint32Array, { mapOffset, blockSize }: VdiHeader): Generator<[number, ImageError]> {
  const sorted = entries.slice().sort();
  for (let i = 1; i < sorted.length; i++) {
    const entry = sorted[i] as number;
    if (!isPlace(entry)) return;
    if (entry !== sorted[i - 1]) continue;
    const block = entries.lastIndexOf(entry);
    const message = `Block ${block} stands at place ${entry}, like another block.`;
    yield [
      block,
      new CorruptImageError('bad-reference', message, {
        format: 'vdi',
        fileOffset: mapOffset + block * 4,
        guestOffset: block * blockSize,
      }),
    ];
  }
}
