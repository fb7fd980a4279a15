/** Reads the first QCOW: an L1 table of L2 tables, which say where clusters are; compressed ones are raw deflate. */

import { alignUp, ceilDiv, SECTOR } from '../../binary/align.ts';
import { unlockLegacyAes } from '../../encryption/legacy-aes.ts';
import { BudgetError, UnsupportedFeatureError } from '../../errors.ts';
import { mergeNeighbours, type OwnExtent } from '../../image/extent.ts';
import type { OpenContext } from '../../image/format.ts';
import type { ImageReader } from '../../image/reader.ts';
import { tablePieces } from '../../image/table-pieces.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';
import { placeOf } from './entry.ts';
import { lockedError, readHeader } from './header.ts';
import { qcowHeader } from './structs.ts';

export async function openQcow(
  source: ByteSource,
  _options: object,
  { maxMetadataBytes = Infinity, unlock }: OpenContext = {},
): Promise<ImageReader> {
  const image = await readHeader(source);
  const { header, clusterSize, l2Entries, backingFile } = image;
  const { size, l1TableOffset } = header;
  const isEncrypted = header.cryptMethod !== 0;
  const aes = isEncrypted && unlock ? await unlockLegacyAes(unlock) : undefined;
  const reach = clusterSize * l2Entries;
  const l1Count = ceilDiv(size, reach);
  if (l1Count * 8 > maxMetadataBytes) {
    throw new BudgetError('over-budget', `The L1 table takes ${l1Count * 8} bytes.`, {
      format: 'qcow',
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
      const table = placeOf(source.size, image, {
        value: l1.getBigUint64(index * 8),
        what: 'An L2 table',
        length: l2Entries * 8,
        fileOffset: l1TableOffset + index * 8,
        guestOffset: index * reach,
      });
      if (table.kind === 'none') {
        yield nothing(at, end - at);
        at = end;
        continue;
      }
      while (at < end) {
        const entryOffset = table.fileOffset + ((at - index * reach) / clusterSize) * 8;
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
      yield clusterExtent(view.getBigUint64(entry), at, Math.min(clusterSize, to - at), fileOffset + entry);
    }
  }

  function clusterExtent(value: bigint, guestOffset: number, length: number, fileOffset: number): OwnExtent {
    const stored = aes ? alignUp(length, SECTOR) : length;
    const place = placeOf(source.size, image, {
      ...{ value, what: 'A cluster', length: stored },
      ...{ fileOffset, guestOffset },
    });
    switch (place.kind) {
      case 'none':
        return nothing(guestOffset, length);
      case 'plain':
        return aes
          ? {
              kind: 'packed',
              ...{ guestOffset, length, fileOffset: place.fileOffset },
              ...{ storedLength: stored, unpackedLength: stored, codec: 'cipher' },
            }
          : { kind: 'data', guestOffset, length, fileOffset: place.fileOffset };
      case 'packed':
        return { ...place, guestOffset, length, unpackedLength: clusterSize, codec: 'deflate' };
    }
  }

  return {
    virtualSize: size,
    unit: clusterSize,
    details: {
      clusterSize,
      ...(isEncrypted && { encrypted: true }),
      ...(isOverlay && { backingFile }),
      specific: {},
    },
    notes: [],
    extents,
    ...(isEncrypted && !aes && { obstacle: lockedError() }),
    ...(aes && {
      volumeKey: aes.key,
      decipher: ({ guestOffset }, bytes) => aes.cipher.decrypt(bytes, guestOffset / SECTOR),
    }),
    ...(isOverlay && {
      backing: {
        kind: 'backing',
        names: [backingFile],
        missing: (hint) =>
          new UnsupportedFeatureError(
            'needs-backing',
            `The image builds on a backing file, ${JSON.stringify(backingFile)}.`,
            { format: 'qcow', fileOffset: qcowHeader.fields.backingFileOffset.at, hint },
          ),
      },
    }),
  };
}
