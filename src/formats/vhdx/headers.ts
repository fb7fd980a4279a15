/**
 * Finds the header that counts: of two, both sealed, the one that was written last ([MS-VHDX] 2.2.2). A write that was cut
 * short damages one of them at most.
 */

import { isAligned, MiB } from '../../binary/align.ts';
import { CorruptImageError, UnknownFormatError, UnsupportedFeatureError } from '../../errors.ts';
import type { Note } from '../../image/reader.ts';
import { type ByteSource, readBytes, requireInside } from '../../io/source.ts';
import {
  FILE_SIGNATURE,
  HEADER_OFFSETS,
  HEADER_SECTION,
  HEADER_SIGNATURE,
  hasSignature,
  isSound,
  type VhdxHeader,
  vhdxHeader,
} from './structs.ts';

export interface FoundHeader {
  readonly header: VhdxHeader;
  readonly fileOffset: number;
  readonly notes: readonly Note[];
}

export interface HeaderCandidate {
  readonly fileOffset: number;
  readonly bytes: Uint8Array;
  readonly isSound: boolean;
}

/** @throws UnknownFormatError `wrong-format`, CorruptImageError `truncated` for a file without a whole header section */
export async function readCandidates(source: ByteSource): Promise<readonly HeaderCandidate[]> {
  const head = await readBytes(source, 0, Math.min(FILE_SIGNATURE.length, source.size), 'The signature');
  if (!hasSignature(head, FILE_SIGNATURE)) {
    throw new UnknownFormatError('wrong-format', `${source.name} is no VHDX.`, {
      format: 'vhdx',
      fileOffset: 0,
      hint: 'Leave -f out: the bytes tell the format.',
    });
  }
  requireInside(source, 0, HEADER_SECTION, 'The header section');
  const candidates: HeaderCandidate[] = [];
  for (const fileOffset of HEADER_OFFSETS) {
    const bytes = await readBytes(source, fileOffset, vhdxHeader.size, 'A header');
    candidates.push({ fileOffset, bytes, isSound: isSound(bytes, HEADER_SIGNATURE) });
  }
  return candidates;
}

/**
 * The current header, checked.
 * @throws CorruptImageError `bad-checksum`, `bad-header`, `bad-reference`; UnsupportedFeatureError `unsupported-version`
 */
export async function findHeader(source: ByteSource): Promise<FoundHeader> {
  const candidates = await readCandidates(source);
  const { header, fileOffset } = currentOf(candidates);
  requireVersions(header, fileOffset);
  const { logOffset, logLength } = header;
  if (!isAligned(logOffset, MiB) || !isAligned(logLength, MiB) || logOffset < HEADER_SECTION) {
    const message = `A log of ${logLength} bytes at byte ${logOffset} is not possible: it has whole MiB behind the first.`;
    throw corrupt('bad-reference', message, fileOffset + vhdxHeader.fields.logOffset.at);
  }
  requireInside(source, logOffset, logLength, 'The log');
  const notes = candidates
    .filter((candidate) => !candidate.isSound)
    .map(({ fileOffset }) => ({
      code: 'spare-header',
      message: `The header at byte ${fileOffset} is damaged; the other one is used.`,
    }));
  return { header, fileOffset, notes };
}

/** The sound header with the greater sequence number; two with the same one must say the same. */
export function currentOf(candidates: readonly HeaderCandidate[]) {
  const sound = candidates
    .filter((candidate) => candidate.isSound)
    .map(({ bytes, fileOffset }) => ({ header: vhdxHeader.decode(bytes, fileOffset), fileOffset, bytes }));
  const [first, second] = sound;
  const isSecondNewer =
    first !== undefined && second !== undefined && second.header.sequenceNumber > first.header.sequenceNumber;
  const [current, other] = isSecondNewer ? [second, first] : [first, second];
  if (current === undefined) {
    throw corrupt('bad-checksum', 'Neither header is whole: their checksums do not hold.', HEADER_OFFSETS[0]);
  }
  const isTie = other?.header.sequenceNumber === current.header.sequenceNumber;
  if (isTie && !current.bytes.every((byte, at) => byte === other.bytes[at])) {
    const message = `Both headers have the sequence number ${current.header.sequenceNumber}, but they differ.`;
    throw corrupt('bad-header', message, HEADER_OFFSETS[1] + vhdxHeader.fields.sequenceNumber.at);
  }
  return current;
}

export const isLogEmpty = ({ logGuid }: VhdxHeader): boolean => logGuid.every((byte) => byte === 0);

function requireVersions(header: VhdxHeader, fileOffset: number): void {
  const { version, logVersion } = header;
  if (version !== 1) {
    throw new UnsupportedFeatureError('unsupported-version', `This is VHDX version ${version}.`, {
      format: 'vhdx',
      fileOffset: fileOffset + vhdxHeader.fields.version.at,
      hint: 'Only version 1 is known.',
    });
  }
  if (logVersion === 0 || isLogEmpty(header)) return;
  throw new UnsupportedFeatureError('unsupported-version', `Its log has version ${logVersion}.`, {
    format: 'vhdx',
    fileOffset: fileOffset + vhdxHeader.fields.logVersion.at,
    hint: 'Only version 0 is known. Attach the disk once with Hyper-V: that empties the log.',
  });
}

const corrupt = (
  code: 'bad-checksum' | 'bad-header' | 'bad-reference',
  message: string,
  fileOffset: number,
): CorruptImageError =>
  new CorruptImageError(code, message, {
    format: 'vhdx',
    fileOffset,
    hint: 'The file is damaged or incomplete: fetch it again.',
  });
