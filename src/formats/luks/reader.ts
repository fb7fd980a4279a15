/** Reads LUKS 1: behind the header all is guest data, enciphered sector by sector. */

import { alignDown, KiB, SECTOR } from '../../binary/align.ts';
import {
  decodeLuks1,
  LUKS1_HEADER_LENGTH,
  type Luks1Header,
  luks1Facts,
  luksHeader,
  openLuks1,
} from '../../encryption/luks1.ts';
import { CorruptImageError, UnsupportedFeatureError } from '../../errors.ts';
import type { OwnExtent } from '../../image/extent.ts';
import type { OpenContext, Unlock } from '../../image/format.ts';
import type { ImageReader, Note } from '../../image/reader.ts';
import { type ByteSource, readBytes } from '../../io/source.ts';

/** Guest bytes that are deciphered together. */
const BLOCK = 64 * KiB;

export async function openLuks(
  source: ByteSource,
  _options: object,
  { unlock }: OpenContext = {},
): Promise<ImageReader> {
  const header = await readLuksHeader(source);
  const dataStart = header.payloadOffset * SECTOR;
  const virtualSize = alignDown(source.size - dataStart, SECTOR);
  return {
    virtualSize,
    unit: BLOCK,
    details: { encrypted: true, specific: luks1Facts(header) },
    notes: notesOn(source, virtualSize + dataStart),
    async *extents(from, to) {
      for (let at = from; at < to; at += BLOCK) yield enciphered(at, Math.min(BLOCK, to - at), dataStart);
    },
    ...(unlock === undefined ? { obstacle: locked() } : await unlocked(source, header, unlock)),
  };
}

/** @throws CorruptImageError; UnsupportedFeatureError for other versions, and for a header whose data is elsewhere */
export async function readLuksHeader(source: ByteSource): Promise<Luks1Header> {
  const start = await readBytes(source, 0, Math.min(LUKS1_HEADER_LENGTH, source.size), 'The LUKS header');
  const header = decodeLuks1(start, 0);
  const fileOffset = luksHeader.fields.payloadOffset.at;
  if (header.payloadOffset === 0) {
    throw new UnsupportedFeatureError(
      'unsupported-feature',
      'The header is detached: its data is elsewhere.',
      {
        format: 'luks',
        fileOffset,
        hint: 'Put the two into one file, or decrypt it with cryptsetup.',
      },
    );
  }
  const dataStart = header.payloadOffset * SECTOR;
  if (dataStart <= source.size) return header;
  throw new CorruptImageError(
    'truncated',
    `The data should begin at byte ${dataStart}, but the file has only ${source.size} bytes.`,
    {
      format: 'luks',
      fileOffset,
      hint: 'The file is probably an incomplete download or copy: fetch it again.',
    },
  );
}

const enciphered = (guestOffset: number, length: number, dataStart: number): OwnExtent => ({
  kind: 'packed',
  guestOffset,
  length,
  fileOffset: dataStart + guestOffset,
  storedLength: length,
  unpackedLength: length,
  codec: 'cipher',
});

async function unlocked(
  source: ByteSource,
  header: Luks1Header,
  unlock: Unlock,
): Promise<Pick<ImageReader, 'volumeKey' | 'decipher'>> {
  const { volumeKey, cipher } = await openLuks1(header, 0, unlock, (into, at) => source.read(into, at));
  return {
    volumeKey,
    decipher: ({ guestOffset }, bytes) => cipher.decrypt(bytes, guestOffset / SECTOR),
  };
}

const locked = (): UnsupportedFeatureError =>
  new UnsupportedFeatureError('encrypted', 'The disk is encrypted with LUKS.', {
    format: 'luks',
    fileOffset: 0,
    hint: 'Give its passphrase with --passphrase-file; or say -f raw, to take it as it is.',
  });

function notesOn(source: ByteSource, end: number): Note[] {
  const rest = source.size - end;
  if (rest === 0) return [];
  const message = `The file ends within a sector: its last ${rest} bytes cannot be deciphered, and are left out.`;
  return [{ code: 'partial-sector', message }];
}
