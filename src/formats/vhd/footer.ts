/**
 * Finds a VHD's footer: at the end of the file, and for dynamic disks once more at the start. When the one at the
 * end is damaged the spare one serves, and a note says so.
 */

import { SECTOR } from '../../binary/align.ts';
import {
  CorruptImageError,
  type ImageError,
  UnknownFormatError,
  UnsupportedFeatureError,
} from '../../errors.ts';
import type { Note } from '../../image/reader.ts';
import type { ByteSource } from '../../io/source.ts';
import {
  DiskType,
  FOOTER_COOKIE,
  footerChecksum,
  VERSION_1_0,
  type VhdFooter,
  vhdFooter,
} from './structs.ts';

export interface FoundFooter {
  readonly footer: VhdFooter;
  /** Where it stands. */
  readonly fileOffset: number;
  /** File offset at which block data must have ended. */
  readonly dataEnd: number;
  readonly notes: readonly Note[];
}

/** Virtual PC before 2004 left out the last byte. */
const SHORT_FOOTER = 511;

/** Bytes that begin like a footer. */
export interface FooterCandidate {
  readonly bytes: Uint8Array;
  readonly fileOffset: number;
}

/**
 * @throws UnknownFormatError `wrong-format` when there is no footer, CorruptImageError `bad-checksum` when there is
 * none whose checksum holds, UnsupportedFeatureError `unsupported-version`
 */
export async function findFooter(source: ByteSource): Promise<FoundFooter> {
  const { atStart, atEnd } = await readFooters(source);
  if (atEnd && isSound(atEnd)) return found(source, atEnd, damagedSpare(atEnd, atStart));
  if (atStart && isSound(atStart)) {
    const footer = found(source, atStart, [
      { code: 'spare-footer', message: 'The footer at the end is damaged; its copy at the start was used.' },
    ]);
    if (footer.footer.diskType !== DiskType.fixed) return footer;
  }
  throw noSoundFooter(source, atEnd ?? atStart);
}

/** @param damaged one whose checksum does not hold, if there is any */
export function noSoundFooter(source: ByteSource, damaged: FooterCandidate | undefined): ImageError {
  if (damaged) {
    return new CorruptImageError('bad-checksum', 'The checksum of the footer does not hold.', {
      format: 'vhd',
      fileOffset: damaged.fileOffset,
      hint: 'The file is damaged or incomplete: fetch it again.',
    });
  }
  return new UnknownFormatError(
    'wrong-format',
    `There is no VHD footer ('${FOOTER_COOKIE}') in ${source.name}.`,
    {
      format: 'vhd',
      fileOffset: Math.max(0, source.size - SECTOR),
      hint: 'It is of another format, or its end is missing.',
    },
  );
}

/** What is where footers are, sound or not. */
export async function readFooters(source: ByteSource) {
  const atEnd =
    (await candidate(source, source.size - SECTOR, SECTOR)) ??
    (await candidate(source, source.size - SHORT_FOOTER, SHORT_FOOTER));
  return { atStart: await candidate(source, 0, SECTOR), atEnd };
}

async function candidate(
  source: ByteSource,
  fileOffset: number,
  length: number,
): Promise<FooterCandidate | undefined> {
  if (fileOffset < 0 || fileOffset + length > source.size) return undefined;
  const bytes = new Uint8Array(SECTOR);
  await source.read(bytes.subarray(0, length), fileOffset);
  const cookie = String.fromCharCode(...bytes.subarray(0, FOOTER_COOKIE.length));
  return cookie === FOOTER_COOKIE ? { bytes, fileOffset } : undefined;
}

const checksumOf = ({ bytes }: FooterCandidate): number =>
  new DataView(bytes.buffer).getUint32(vhdFooter.fields.checksum.at);

export const isSound = (candidate: FooterCandidate): boolean =>
  footerChecksum(candidate.bytes) === checksumOf(candidate);

function damagedSpare(atEnd: FooterCandidate, atStart: FooterCandidate | undefined): Note[] {
  const { diskType } = vhdFooter.decode(atEnd.bytes, atEnd.fileOffset);
  if (diskType === DiskType.fixed || (atStart && isSound(atStart))) return [];
  return [{ code: 'spare-footer', message: 'The copy of the footer at the start is damaged.' }];
}

function found(
  source: ByteSource,
  { bytes, fileOffset }: FooterCandidate,
  notes: readonly Note[],
): FoundFooter {
  const footer = vhdFooter.decode(bytes, fileOffset);
  if (footer.fileFormatVersion !== VERSION_1_0) {
    const version = footer.fileFormatVersion.toString(16).padStart(8, '0');
    throw new UnsupportedFeatureError('unsupported-version', `VHD version 0x${version}.`, {
      format: 'vhd',
      fileOffset: fileOffset + vhdFooter.fields.fileFormatVersion.at,
      hint: 'Only version 1.0 (0x00010000) is known.',
    });
  }
  return { footer, fileOffset, dataEnd: fileOffset === 0 ? source.size : fileOffset, notes };
}
