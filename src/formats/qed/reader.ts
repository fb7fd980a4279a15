/**
 * Reads QED (`docs/interop/qed_spec.txt`): an L1 table of L2 tables, which say where clusters are. Tables can be as large as
 * 1 GiB each: they are read in pieces.
 */

import { ceilDiv } from '../../binary/align.ts';
import { BudgetError, CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import { mergeNeighbours, type OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageReader, Note } from '../../image/reader.ts';
import { tablePieces } from '../../image/table-pieces.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { has, type QedImage, readHeader } from './header.ts';
import { Feature, qedHeader, UNALLOCATED, ZERO_CLUSTER } from './structs.ts';

export async function openQed(
  source: ByteSource,
  _options: object,
  { maxMetadataBytes = Infinity }: OpenContext = {},
): Promise<ImageReader> {
  const image = await readHeader(source);
  const { header, entries, backingFile } = image;
  const { clusterSize, imageSize, l1TableOffset } = header;
  const reach = clusterSize * entries;
  const l1Count = ceilDiv(imageSize, reach);
  if (l1Count * 8 > maxMetadataBytes) {
    throw new BudgetError('over-budget', `The L1 table takes ${l1Count * 8} bytes.`, {
      format: 'qed',
      fileOffset: l1TableOffset,
      hint: 'Allow more with --max-metadata.',
    });
  }
  const l1 = new DataView((await readBytes(source, l1TableOffset, l1Count * 8, 'The L1 table')).buffer);
  const l2 = tablePieces(source, 'An L2 table');
  const isOverlay = backingFile !== undefined;
  const nothing = (guestOffset: number, length: number): OwnExtent => ({
    kind: isOverlay ? 'backing' : 'zero',
    guestOffset,
    length,
  });

  async function* extents(from: number, to: number): AsyncGenerator<OwnExtent> {
    for (let at = from; at < to; ) {
      const index = Math.floor(at / reach);
      const end = Math.min((index + 1) * reach, to);
      const table = placeOf(source, image, l1.getBigUint64(index * 8, true), {
        what: 'An L2 table',
        length: clusterSize * header.tableSize,
        fileOffset: l1TableOffset + index * 8,
        guestOffset: index * reach,
      });
      if (table === UNALLOCATED) {
        yield nothing(at, end - at);
        at = end;
        continue;
      }
      while (at < end) {
        const entryOffset = table + ((at - index * reach) / clusterSize) * 8;
        const view = await l2.read(entryOffset, ceilDiv(end - at, clusterSize) * 8);
        const clusters = Math.floor(view.byteLength / 8);
        const pieceEnd = Math.min(end, at + clusters * clusterSize);
        yield* mergeNeighbours(clusterExtents(view, at, pieceEnd, entryOffset));
        at = pieceEnd;
      }
      at = end;
    }
  }

  function* clusterExtents(
    view: DataView,
    from: number,
    to: number,
    fileOffset: number,
  ): Generator<OwnExtent> {
    for (let at = from, entry = 0; at < to; at += clusterSize, entry += 8) {
      yield clusterExtent(
        view.getBigUint64(entry, true),
        at,
        Math.min(clusterSize, to - at),
        fileOffset + entry,
      );
    }
  }

  function clusterExtent(entry: bigint, guestOffset: number, length: number, fileOffset: number): OwnExtent {
    if (entry === BigInt(ZERO_CLUSTER)) return { kind: 'zero', guestOffset, length, explicit: true };
    const place = placeOf(source, image, entry, { what: 'A cluster', length, fileOffset, guestOffset });
    return place === UNALLOCATED
      ? nothing(guestOffset, length)
      : { kind: 'data', guestOffset, length, fileOffset: place };
  }

  return {
    virtualSize: imageSize,
    unit: clusterSize,
    details: {
      clusterSize,
      dirty: has(header, Feature.needCheck),
      ...(isOverlay && { backingFile }),
      ...(has(header, Feature.backingFormatNoProbe) && { backingFormat: 'raw' }),
      specific: {},
    },
    notes: notesOf(image),
    extents,
    ...(isOverlay && {
      backing: {
        kind: 'backing',
        names: [backingFile],
        ...(has(header, Feature.backingFormatNoProbe) && { format: 'raw' }),
        missing: (hint) =>
          new UnsupportedFeatureError(
            'needs-backing',
            `The image builds on a backing file, ${JSON.stringify(backingFile)}.`,
            { format: 'qed', fileOffset: qedHeader.fields.backingFilenameOffset.at, hint },
          ),
      },
    }),
  };
}

interface Referred {
  readonly what: string;
  readonly length: number;
  /** Of the entry. */
  readonly fileOffset: number;
  readonly guestOffset: number;
}

/** What is wrong with the place that an entry says; the message is made only when it is wanted. */
interface BadPlace {
  readonly code: 'bad-reference' | 'truncated';
  readonly message: () => string;
}

/** The place that an entry says, 0 for none; or what is wrong: not on a cluster behind the header, past the end. */
export function judge(
  source: ByteSource,
  { header: { clusterSize, headerSize } }: QedImage,
  entry: bigint,
  { what, length }: Pick<Referred, 'what' | 'length'>,
): number | BadPlace {
  const offset = Number(entry);
  if (offset === UNALLOCATED) return UNALLOCATED;
  if (!Number.isSafeInteger(offset) || offset % clusterSize !== 0 || offset < headerSize * clusterSize) {
    const message = () => `${what} at byte ${entry} is not on a cluster behind the header.`;
    return { code: 'bad-reference', message };
  }
  if (offset + length <= source.size) return offset;
  const message = () =>
    `${what} should end at byte ${offset + length}, but the file has only ${source.size} bytes.`;
  return { code: 'truncated', message };
}

/** @throws CorruptImageError for a place that is wrong */
function placeOf(source: ByteSource, image: QedImage, entry: bigint, referred: Referred): number {
  const place = judge(source, image, entry, referred);
  if (typeof place === 'number') return place;
  const { fileOffset, guestOffset } = referred;
  throw new CorruptImageError(place.code, place.message(), {
    format: 'qed',
    fileOffset,
    guestOffset,
    ...(place.code === 'truncated' && {
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    }),
  });
}

function notesOf({ header }: QedImage): Note[] {
  if (!has(header, Feature.needCheck)) return [];
  const message = 'The image was not closed cleanly; the guest data is read as it is.';
  return [{ code: 'dirty', message }];
}
